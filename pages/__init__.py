"""One question a page; each is a thin Streamlit script."""
