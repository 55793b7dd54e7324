//! The limits that both ends of a connection have to agree on. The server's own limits, which are options
//! of `forumd`, stand in `server/src/args.rs`.

/// Bytes of a whole frame, its length field included.
pub const FRAME_BYTES_MAX: usize = 65_536;
/// Bytes of the length field in front of every frame.
pub const LENGTH_BYTES: usize = 4;
/// Bytes in front of a frame's body: length (4), kind (1), tag (4).
pub const HEADER_BYTES: usize = 9;
/// Bytes of a frame's body.
pub const BODY_BYTES_MAX: usize = FRAME_BYTES_MAX - HEADER_BYTES;

/// Bytes of a user's name.
pub const USER_NAME_BYTES_MAX: usize = 32;
/// Bytes of a thread's title.
pub const TITLE_BYTES_MAX: usize = 64;
/// Bytes of a file's name.
pub const FILE_NAME_BYTES_MAX: usize = 200;
/// Bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 128;
/// Bytes of the text of a message, in UTF-8.
pub const TEXT_BYTES_MAX: usize = 8_192;
/// Bytes of a line at the text door, its end included: the longest command is a message with its word and a title.
pub const LINE_BYTES_MAX: usize = TEXT_BYTES_MAX + TITLE_BYTES_MAX + 64;
/// Bytes that a ping may carry, and its pong brings back.
pub const PING_BYTES_MAX: usize = 1_024;
/// File bytes in one data frame: what fills a frame to the last byte.
pub const DATA_BYTES_MAX: usize = BODY_BYTES_MAX;
/// Bytes of a BLAKE3 digest.
pub const DIGEST_BYTES: usize = 32;

// The longest request of all is a message: its text, a title or name, two lengths and a number fit a frame.
const _: () = assert!(TEXT_BYTES_MAX + TITLE_BYTES_MAX + 64 <= BODY_BYTES_MAX);
// Lengths of short strings are one byte on the wire.
const _: () = assert!(USER_NAME_BYTES_MAX <= u8::MAX as usize);
const _: () = assert!(TITLE_BYTES_MAX <= u8::MAX as usize);
const _: () = assert!(FILE_NAME_BYTES_MAX <= u8::MAX as usize);
// The first byte of a frame is always 0: `wire::frame::FIRST_BYTE`.
const _: () = assert!(FRAME_BYTES_MAX - LENGTH_BYTES < 1 << 24);

/// Threads that a user watches at most. Part of the log's format: no option.
pub const WATCHES_MAX: usize = 100;
