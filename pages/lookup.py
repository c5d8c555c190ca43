"""What became of this save?"""

from dashboard import lookup_panels, panels

panels.title("Lookup")
lookup_panels.lookup()
