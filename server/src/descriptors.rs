//! Descriptors are a budget: what this process may have open at once, shared out at start between itself,
//! downloads, uploads, and connections. A small limit gives fewer of each, and is said; one that is too small to
//! serve anybody is refused.

use std::fmt;

use crate::args::Limits;
use crate::core::TURNED_AWAY_MAX;
use crate::workers::files::THREADS;

/// What the server itself has open, with room to spare: the standard streams, log file, lock, database with its
/// write-ahead log (twice while a snapshot is written), poll, waker, signals, listener, reserve, directories
/// that are synced.
const OWN: usize = 32;
/// Downloads have a file open only while a chunk is read: one for each thread that reads, however many there are.
const DOWNLOADS: usize = THREADS;
/// Beside its own and those of downloads, connections that are told that it is full.
const RESERVED: usize = OWN + DOWNLOADS + TURNED_AWAY_MAX;
/// With fewer for connections and uploads together, nobody is served well.
const SHARED_MIN: usize = 32;
/// The fewest that a forumd runs with.
pub const DESCRIPTORS_MIN: usize = RESERVED + SHARED_MIN;

/// Uploads hold one each. They may have this part of what is shared, if they may be that many and nobody asks for
/// more connections; and at least [`UPLOADS_PART_MIN`].
const UPLOADS_PART: usize = 4;
const UPLOADS_PART_MIN: usize = 16;

/// Who gets how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// What this process may have open.
    pub limit: usize,
    /// Connections at once.
    pub connections: usize,
    /// Uploads at once.
    pub uploads: usize,
}

/// There are too few to run with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFew(usize);

impl Budget {
    /// Shares out `limit` descriptors among what `wanted` allows; no more than that for each, where it says.
    ///
    /// # Errors
    /// There are fewer than [`DESCRIPTORS_MIN`].
    pub fn of(limit: usize, wanted: &Limits) -> Result<Self, TooFew> {
        if limit < DESCRIPTORS_MIN {
            return Err(TooFew(limit));
        }
        let shared = limit - RESERVED;
        let part = |part: usize| (shared / part).min(wanted.max_total_uploads);
        let connections = match wanted.max_connections {
            0 => shared - part(UPLOADS_PART),
            wanted => wanted.min(shared - part(UPLOADS_PART_MIN)),
        };
        let uploads = wanted.max_total_uploads.min(shared - connections);
        Ok(Self { limit, connections, uploads })
    }

    /// What is less than was wanted, if anything is, and what to do about it.
    #[must_use]
    pub fn warning(&self, wanted: &Limits) -> Option<String> {
        let is_less = self.connections < wanted.max_connections || self.uploads < wanted.max_total_uploads;
        is_less.then(|| {
            format!(
                "at most {} files may be open, which allows {} connections and {} uploads at once: raise the limit \
                 (ulimit -Hn, LimitNOFILE), or set --max-connections and --max-total-uploads",
                self.limit, self.connections, self.uploads
            )
        })
    }
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(limit) = self;
        write!(
            f,
            "at most {limit} files may be open, but forumd needs {DESCRIPTORS_MIN}: raise the limit (ulimit -Hn, \
             LimitNOFILE)"
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Arguments;

    fn limits(options: &[&str]) -> Limits {
        Arguments::parse_from([&["forumd"], options].concat()).serve.limits
    }

    #[test]
    fn a_small_limit_is_shared_and_said() {
        let wanted = limits(&[]);
        for (limit, connections, uploads) in [(100, 24, 8), (256, 141, 47), (1_024, 717, 239)] {
            let budget = Budget::of(limit, &wanted).unwrap();
            assert_eq!(budget, Budget { limit, connections, uploads });
            let warning = budget.warning(&wanted).unwrap();
            assert!(
                warning.contains(&format!("{connections} connections and {uploads} uploads")),
                "{warning}"
            );
        }
    }

    #[test]
    fn a_limit_that_is_enough_is_no_matter() {
        let wanted = limits(&[]);
        let budget = Budget::of(1_048_576, &wanted).unwrap();
        assert_eq!((budget.connections, budget.uploads), (1_048_576 - RESERVED - 1_000, 1_000));
        assert_eq!(budget.warning(&wanted), None);
        let wanted = limits(&["--max-connections", "100", "--max-total-uploads", "50"]);
        let budget = Budget::of(1_024, &wanted).unwrap();
        assert_eq!((budget.connections, budget.uploads, budget.warning(&wanted)), (100, 50, None));
    }

    #[test]
    fn who_asks_for_connections_gets_as_many_as_can_be() {
        let wanted = limits(&["--max-connections", "10000"]);
        let budget = Budget::of(1_024, &wanted).unwrap();
        assert_eq!((budget.connections, budget.uploads), (897, 59));
        assert!(budget.warning(&wanted).is_some());
    }

    #[test]
    fn never_more_than_the_limit_and_never_so_few_that_nobody_gets_in() {
        for options in [&[][..], &["--max-connections", "1000000"], &["--max-total-uploads", "1000000"]] {
            let wanted = limits(options);
            for limit in 0..5_000 {
                match Budget::of(limit, &wanted) {
                    Ok(budget) => {
                        assert!(
                            RESERVED + budget.connections + budget.uploads <= limit,
                            "{limit}: {budget:?}"
                        );
                        assert!(budget.connections >= 24 && budget.uploads >= 2, "{limit}: {budget:?}");
                    }
                    Err(TooFew(few)) => assert!(few == limit && limit < DESCRIPTORS_MIN),
                }
            }
        }
    }
}
