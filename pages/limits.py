"""What is limited, and how near is anybody to it?"""

from dashboard import limits_panel, panels

panels.title("Limits")
limits_panel.limits()
