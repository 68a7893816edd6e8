//! What `portcullis demo` brings along, so that nothing needs to be installed.

pub mod chatbot;
