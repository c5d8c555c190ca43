"""What a quote is: its draft, money, validation, pricing, lifecycle and tables."""
