"""How are saves doing right now?"""

import streamlit as st

st.title("Overview")
