"""Who did what?"""

from dashboard import audit_panel, panels

panels.title("Audit trail")
audit_panel.audit()
