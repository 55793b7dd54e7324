//! The line being typed, from keys to rows on a screen.
//!
//! [`keys`], [`held_keys`], [`lines`], [`editor`], [`history`], [`input`], [`layout`] and [`screen`] are pure; [`history_file`] has the lines of
//! earlier runs and [`terminal`] the modes of a terminal. None of them knows what a line means.

pub mod editor;
pub mod held_keys;
pub mod history;
pub mod history_file;
pub mod input;
pub mod keys;
pub mod layout;
pub mod lines;
pub mod screen;
pub mod terminal;
