"""Who may do what?"""

from dashboard import panels, people_panel

panels.title("People")
people_panel.people()
