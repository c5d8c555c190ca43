"""The page that an answer's time is measured by: a box, and one `st.write` of what is in it."""

import streamlit as st

text = st.text_input("What became of")
with st.container(key="answer"):
    st.write(text)
