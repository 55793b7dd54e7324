//! The lines that were entered before, and the search in them.
//!
//! Pure, and kept in memory; [`super::history_file`] has those of earlier runs.

use std::collections::VecDeque;

use zeroize::Zeroizing;

/// Lines kept in the history.
pub const HISTORY_LINES_MAX: usize = 500;

/// The lines that were entered, and where among them the user is looking.
#[derive(Debug, Default)]
pub struct History {
    lines: VecDeque<String>,
    looking: Option<Looking>,
}

#[derive(Debug)]
struct Looking {
    at: usize,
    /// What stood on the line before; it comes back after the newest.
    draft: Zeroizing<String>,
}

impl History {
    /// Adds a line, unless it is empty or the newest again.
    pub fn push(&mut self, line: &str) {
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == HISTORY_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The user looks at none of them any more.
    pub fn leave(&mut self) {
        self.looking = None;
    }

    /// The line before the one the user looks at; `text` comes back after the newest.
    pub fn older(&mut self, text: &str) -> Option<Zeroizing<String>> {
        let at = self.looking.as_ref().map_or(self.lines.len(), |looking| looking.at).checked_sub(1)?;
        let line = Zeroizing::new(self.lines.get(at)?.clone());
        match &mut self.looking {
            Some(looking) => looking.at = at,
            None => self.looking = Some(Looking { at, draft: Zeroizing::new(text.to_owned()) }),
        }
        Some(line)
    }

    /// The line after it.
    pub fn newer(&mut self, _: &str) -> Option<Zeroizing<String>> {
        let looking = self.looking.as_mut()?;
        looking.at += 1;
        match self.lines.get(looking.at) {
            Some(line) => Some(Zeroizing::new(line.clone())),
            None => self.looking.take().map(|looking| looking.draft),
        }
    }

    /// The newest line before `end` that contains `pattern`: its place, and where in it.
    fn find(&self, pattern: &str, end: usize) -> Option<(usize, usize)> {
        let lines = self.lines.iter().enumerate().take(end).rev();
        lines.filter_map(|(place, line)| Some((place, line.find(pattern)?))).next()
    }
}

/// A search in the history, as readline's ^R does it: each letter narrows it down, from the newest line on.
#[derive(Debug)]
pub struct Search {
    pattern: String,
    /// The line that was found last, and where in it the pattern stands.
    found: Option<(usize, usize)>,
    /// Nothing more was found.
    has_failed: bool,
    /// What stood on the line before.
    draft: Zeroizing<String>,
}

impl Search {
    /// One that begins with `text` on the line.
    pub fn from(text: &str) -> Self {
        let draft = Zeroizing::new(text.to_owned());
        Self { pattern: String::new(), found: None, has_failed: false, draft }
    }

    /// What stands in the place of the prompt.
    pub fn prompt(&self) -> String {
        let failed = if self.has_failed { "failed " } else { "" };
        format!("({failed}search) '{}': ", self.pattern)
    }

    /// Makes the pattern longer. The line that was found is kept if it has that, too.
    pub fn add(&mut self, c: char, history: &History) {
        self.pattern.push(c);
        self.look(history, self.found.map_or(history.lines.len(), |(place, _)| place + 1));
    }

    /// Makes the pattern shorter, and begins anew.
    pub fn remove(&mut self, history: &History) {
        self.pattern.pop();
        self.look(history, history.lines.len());
    }

    /// Looks on from the line that was found.
    pub fn older(&mut self, history: &History) {
        self.look(history, self.found.map_or(history.lines.len(), |(place, _)| place));
    }

    /// The line that was found, and the byte at which the pattern stands in it.
    pub fn found<'h>(&self, history: &'h History) -> Option<(&'h str, usize)> {
        let (place, at) = self.found?;
        Some((history.lines.get(place)?, at))
    }

    /// What stood on the line before.
    pub fn into_draft(self) -> Zeroizing<String> {
        self.draft
    }

    fn look(&mut self, history: &History, end: usize) {
        if self.pattern.is_empty() {
            return;
        }
        let found = history.find(&self.pattern, end);
        self.has_failed = found.is_none();
        self.found = found.or(self.found);
    }
}
