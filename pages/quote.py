"""What does a quote say, and how did it come to that?"""

from dashboard import panels, quote_panels

panels.title("Quote")
quote_panels.quote()
