//! `watch` and `unwatch`: who is told of new messages in which threads.

use forum_common::names::{Text, Title};
use forum_common::text::Rejection;
use forum_common::wire::Notice;

use super::View;
use super::threads::title_of;
use crate::core::Core;
use crate::core::thread_news::News;
use crate::forum::{AccountId, Change, ItemId};
use crate::journal::Journal;
use crate::planted::{Bug, planted};

/// `watch`.
pub(super) fn watch(view: View<'_>, title: &str) -> Result<Change, Rejection> {
    Ok(Change::Watch { title: title_of(view, title)? })
}

/// `unwatch`.
pub(super) fn unwatch(view: View<'_>, title: &str) -> Result<Change, Rejection> {
    Ok(Change::Unwatch { title: title_of(view, title)? })
}

impl<J: Journal> Core<J> {
    /// Shows a message of a thread to those online who watch it and want to hear its author; not to the author.
    pub(crate) fn show_thread_post(
        &mut self,
        author: AccountId,
        title: &Title,
        (number, id): (u32, ItemId),
        at_ms: u64,
        text: &Text,
    ) {
        let watches = &self.forum.watches;
        if watches.is_empty() {
            return;
        }
        let Some(thread) = self.forum.threads.find(title) else { return };
        let (watchers, excluded) = (watches.of(thread), self.forum.blocks.of(author));
        if watchers.is_empty() {
            return;
        }
        let (title, text) = (title.clone(), text.clone());
        let news = News { author, title, thread, number, id, at_ms, text, watchers, excluded, after: None };
        // What was posted before is told before.
        if self.thread_news.is_empty() {
            self.tell_watchers(news);
        } else {
            let hurry = self.thread_news.push(news);
            hurry.into_iter().for_each(|news| self.tell_all_watchers(news));
        }
    }

    /// Does this turn's share of telling those who watch.
    pub(crate) fn continue_thread_news(&mut self) {
        if let Some(news) = self.thread_news.pop() {
            self.tell_watchers(news);
        }
    }

    /// Tells all who are left.
    fn tell_all_watchers(&mut self, news: News) {
        let mut left = Some(news);
        while let Some(news) = left {
            left = self.tell_some_watchers(news);
        }
    }

    /// Tells one share of those who are left, and has the others wait for the next turn.
    fn tell_watchers(&mut self, news: News) {
        if let Some(rest) = self.tell_some_watchers(news) {
            self.thread_news.put_back(rest);
        }
    }

    fn tell_some_watchers(&mut self, mut news: News) -> Option<News> {
        let share = self.thread_news.share;
        let next = news.next_share(share);
        let name = self.forum.name_of(news.author).clone();
        let (number, id, at_ms) = (news.number, news.id.0, news.at_ms);
        let notice =
            Notice::ThreadPost { title: &news.title, number, id, at_ms, author: &name, text: &news.text };
        for &user in &next {
            let is_excluded =
                news.excluded.contains(&user) && !planted(Bug::WatchNoticeReachesWhoHasBlockedItsAuthor);
            // It may have changed its mind since.
            if user != news.author && !is_excluded && self.forum.watches.has(user, news.thread) {
                self.tell_user(user, &notice);
            }
        }
        (next.len() == share).then_some(news)
    }
}
