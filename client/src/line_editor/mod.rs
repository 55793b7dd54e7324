//! The line being typed, from keys to rows on a screen.
//!
//! [`keys`], [`lines`], [`editor`], [`input`] and [`layout`] are pure; [`history_file`] has the lines of earlier runs
//! and [`terminal`] raw mode. None of them knows what a line means.

pub mod editor;
pub mod history_file;
pub mod input;
pub mod keys;
pub mod layout;
pub mod lines;
pub mod terminal;
