//! The examples of the page `docs/UDP.md`.
