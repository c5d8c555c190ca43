"""May this release go on, and what is left to do?"""

from dashboard import panels, readiness_panel

panels.title("Readiness")
readiness_panel.readiness()
