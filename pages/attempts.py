"""Which attempts is a number made of?"""

from dashboard import attempts_panel, panels

panels.title("Attempts")
attempts_panel.attempts()
