//! The names of files that are not all there yet: `.forum-{name}.{size}.{digest}.part`.
//!
//! It knows names and directories but not what is in the files, nor who fills them.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use forum_common::limits::DIGEST_BYTES;

use super::NAME_BYTES_MAX;
use crate::transport::Offer;

/// What the names of all unfinished files begin with.
pub(super) const PREFIX: &str = ".forum-";
/// What they end in.
pub(super) const SUFFIX: &str = ".part";
/// Hex digits of the digest in a partial's name: all, so that the name alone says which file is to be asked for.
pub(super) const DIGEST_DIGITS: usize = 2 * DIGEST_BYTES;
/// Decimal digits of the largest size.
const SIZE_DIGITS_MAX: usize = u64::MAX.ilog10() as usize + 1;

/// Bytes of a name that stands in a partial's name as it is. A longer one is cut, and told from others by its digest.
const LABEL_BYTES_MAX: usize = 150;
/// Hex digits of that digest.
const LABEL_DIGITS: usize = 16;
/// Characters that [`tempfile`] puts between prefix and suffix.
const RANDOM_CHARACTERS: usize = 6;

// Two dots stand between the parts.
const _: () = assert!(
    PREFIX.len() + LABEL_BYTES_MAX + 1 + SIZE_DIGITS_MAX + 1 + DIGEST_DIGITS + SUFFIX.len() <= NAME_BYTES_MAX
);

/// All partials in `directory`, of whatever name. A directory that can't be read has none.
pub(super) fn partials(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_partial(path))
}

/// Whether a partial may have this name: one that may be resumed, or one of those that [`tempfile`] names.
fn is_partial(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(inner) = name.and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)) else {
        return false;
    };
    let is_random =
        inner.len() == RANDOM_CHARACTERS && inner.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_random
        || inner.rsplit_once('.').is_some_and(|(front, digits)| {
            let size = front.rsplit_once('.').map(|(_, size)| size);
            offer(size.unwrap_or_default(), digits).is_some()
        })
}

/// The file of which a partial with this size and digest in its name is a part.
fn offer(size: &str, digits: &str) -> Option<Offer> {
    let digest = blake3::Hash::from_hex(digits).ok()?.into();
    Some(Offer { size: size.parse().ok()?, digest })
}

/// The name of a partial that may be resumed.
#[derive(Debug)]
pub(super) struct PartialName {
    pub(super) path: PathBuf,
    /// The whole file.
    pub(super) offer: Offer,
}

impl PartialName {
    /// `path`, if it is that of a partial of `name_here`. Size and digest hold no dot: there is one way to
    /// read a name.
    pub(super) fn parse(path: PathBuf, name_here: &str) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let rest = name.strip_prefix(PREFIX)?.strip_prefix(&*label(name_here))?.strip_prefix('.')?;
        let (size, digits) = rest.strip_suffix(SUFFIX)?.split_once('.')?;
        let offer = offer(size, digits)?;
        Some(Self { path, offer })
    }
}

/// The name of what there is so far of this file, which will be called `name_here`.
pub(super) fn partial_name(name_here: &str, offer: &Offer) -> String {
    let digits = blake3::Hash::from(offer.digest).to_hex();
    format!("{PREFIX}{}.{}.{digits}{SUFFIX}", label(name_here), offer.size)
}

/// What a partial's name has of the name that the file will have.
fn label(name_here: &str) -> Cow<'_, str> {
    if name_here.len() <= LABEL_BYTES_MAX {
        return Cow::Borrowed(name_here);
    }
    let start = &name_here[..name_here.floor_char_boundary(LABEL_BYTES_MAX - 1 - LABEL_DIGITS)];
    let digits = blake3::hash(name_here.as_bytes()).to_hex();
    Cow::Owned(format!("{start}~{}", &digits[..LABEL_DIGITS]))
}
