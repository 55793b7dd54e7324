//! What an entry of the log comes to.

use std::collections::VecDeque;
use std::rc::Rc;

use forum_common::wire::Refusal;
use forumd::forum::{Change, Entry, Passing};

use super::{
    Account, Done, Gone, Item, Known, Mailbox, No, Outcome, Present, Room, Said, State, Thread, User, What,
};

/// Results of keys that are kept for each account.
const KNOWN_MAX: usize = 64;

impl State {
    /// Applies an entry.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Outcome {
        self.told = Rc::default();
        if let Change::Passing(passing) = &entry.change {
            return self.apply_passing(entry, passing);
        }
        self.at_ms = self.at_ms.max(entry.at_ms);
        let (Some(actor), Some(keyed)) = (entry.actor, entry.key) else { return self.apply_kept(entry) };
        let actor = actor.0;
        if let Some(known) = self.known(actor, keyed.key.0) {
            return match known.content == keyed.content {
                true => known.outcome.clone(),
                false => Err(No::plain(Refusal::KeyReused)),
            };
        }
        let outcome = self.apply_kept(entry);
        let known = Known { key: keyed.key.0, content: keyed.content, outcome: outcome.clone() };
        let results: &mut VecDeque<Known> =
            Rc::make_mut(Rc::make_mut(&mut self.keys).entry(actor).or_default());
        results.push_back(known);
        if results.len() > KNOWN_MAX {
            results.pop_front();
        }
        outcome
    }

    fn apply_kept(&mut self, entry: &Entry) -> Outcome {
        let actor = entry.actor.map(|actor| actor.0);
        self.check(actor, &entry.change)?;
        let at_ms = entry.at_ms;
        let done = Ok(Done::Plain { at_ms });
        match &entry.change {
            Change::CreateAccount { name, hash } => {
                let account = Account { name: name.as_str().into(), hash: *hash };
                Rc::make_mut(&mut self.accounts).push(account);
                done
            }
            Change::SetPassword { account, hash } => {
                Rc::make_mut(&mut self.accounts)[account.0 as usize].hash = *hash;
                done
            }
            Change::Unlinked { files } => {
                Rc::make_mut(&mut self.removed).retain(|file| !files.contains(file));
                done
            }
            change => self.apply_by(actor.ok_or(No::plain(Refusal::InvalidName))?, at_ms, change),
        }
    }

    fn apply_by(&mut self, actor: User, at_ms: u64, change: &Change) -> Outcome {
        let done = Ok(Done::Plain { at_ms });
        match change {
            Change::CreateThread { title } => {
                self.newest_thread += 1;
                let thread = Thread { title: title.as_str().into(), creator: actor, items: Vec::new() };
                Rc::make_mut(&mut self.threads).insert(self.newest_thread, Rc::new(thread));
                Ok(Done::Thread { id: self.newest_thread, at_ms })
            }
            Change::Post { title, text } => self.post(actor, at_ms, title, text),
            Change::DeletePost { title, number, .. } => {
                let place = self.place(title, *number);
                self.edit(title, |thread| drop(thread.items.remove(place)));
                done
            }
            Change::EditPost { title, number, text, .. } => {
                let place = self.place(title, *number);
                self.edit(title, |thread| thread.items[place].what = What::Post(text.as_str().into()));
                done
            }
            Change::AddFile { thread, file, id, size, digest, .. } => {
                self.newest_item += 1;
                let (name, item) = (file.as_str().into(), self.newest_item);
                let what = What::File { name, id: *id, size: *size, digest: *digest };
                let threads = Rc::make_mut(&mut self.threads);
                if let Some(thread) = threads.get_mut(&thread.0) {
                    Rc::make_mut(thread).items.push(Item { id: item, at_ms, author: actor, what });
                }
                Ok(Done::File { id: item, at_ms, digest: *digest })
            }
            Change::RemoveThread { title } => {
                let Some((id, thread)) = self.thread(title) else { return done };
                let thread = Rc::clone(thread);
                let files = thread.items.iter().filter_map(|item| match item.what {
                    What::File { id, .. } => Some(id),
                    What::Post(_) => None,
                });
                Rc::make_mut(&mut self.removed).extend(files);
                Rc::make_mut(&mut self.threads).remove(&id);
                Rc::make_mut(&mut self.watches).retain(|(_, watched)| *watched != id);
                Rc::make_mut(&mut self.marks).retain(|(_, read, _)| *read != id);
                done
            }
            Change::Watch { title } => {
                let thread = self.thread(title).map(|(id, _)| id);
                Rc::make_mut(&mut self.watches).extend(thread.map(|id| (actor, id)));
                done
            }
            Change::Unwatch { title } => {
                let thread = self.thread(title).map(|(id, _)| id);
                Rc::make_mut(&mut self.watches).retain(|(user, id)| *user != actor || Some(*id) != thread);
                done
            }
            change => self.apply_between(actor, at_ms, change),
        }
    }

    fn post(&mut self, actor: User, at_ms: u64, title: &str, text: &str) -> Outcome {
        self.newest_item += 1;
        let item = Item { id: self.newest_item, at_ms, author: actor, what: What::Post(text.into()) };
        let mut number = 0;
        self.edit(title, |thread| {
            thread.items.push(item);
            number = thread.posts().count() as u32;
        });
        Ok(Done::Posted { number, id: self.newest_item, at_ms })
    }

    /// What users do to each other.
    fn apply_between(&mut self, actor: User, at_ms: u64, change: &Change) -> Outcome {
        let done = Ok(Done::Plain { at_ms });
        let said = |text: &str| Rc::new(Said { at_ms, author: actor, text: text.into() });
        match change {
            Change::SendMessage { to, text } => {
                let mailbox: &mut Mailbox =
                    Rc::make_mut(Rc::make_mut(&mut self.mail).entry(to.0).or_default());
                mailbox.newest += 1;
                mailbox.waiting.push_back((mailbox.newest, said(text)));
                done
            }
            Change::TakeMessages { up_to } => {
                if let Some(mailbox) = Rc::make_mut(&mut self.mail).get_mut(&actor) {
                    Rc::make_mut(mailbox).waiting.retain(|(number, _)| *number > up_to.0);
                }
                done
            }
            Change::MarkRead { marks } => {
                marks.iter().for_each(|mark| self.mark(actor, mark.thread.0, mark.up_to.0));
                done
            }
            Change::Block { user } => {
                Rc::make_mut(&mut self.blocks).insert((actor, user.0));
                done
            }
            Change::Unblock { user } => {
                Rc::make_mut(&mut self.blocks).remove(&(actor, user.0));
                done
            }
            Change::PostToBoard { text } => {
                Rc::make_mut(&mut self.board).push(said(text));
                let number = self.board.len() as u32;
                Ok(Done::Posted { number, id: number.into(), at_ms })
            }
            Change::CreateRoom { members } => {
                let members = members.iter().map(|member| member.0).collect();
                Rc::make_mut(&mut self.rooms).push(Rc::new(Room { members, posts: Vec::new() }));
                Ok(Done::Room { room: self.rooms.len() as u32, at_ms })
            }
            Change::PostToRoom { room, text } => {
                let room = Rc::make_mut(&mut Rc::make_mut(&mut self.rooms)[room.0 as usize - 1]);
                room.posts.push(said(text));
                let number = room.posts.len() as u32;
                Ok(Done::Posted { number, id: number.into(), at_ms })
            }
            _ => Err(No::plain(Refusal::InvalidName)),
        }
    }

    fn mark(&mut self, user: User, thread: u64, up_to: u64) {
        let items = self.threads.get(&thread).map_or(&[][..], |thread| &thread.items);
        let Some(newest) = items.iter().map(|item| item.id).max() else { return };
        let up_to = up_to.min(newest).max(self.mark_of(user, thread));
        let marks = Rc::make_mut(&mut self.marks);
        marks.retain(|(by, read, _)| (*by, *read) != (user, thread));
        marks.push((user, thread, up_to));
    }

    fn apply_passing(&mut self, entry: &Entry, passing: &Passing) -> Outcome {
        let actor = entry.actor.map(|actor| actor.0);
        self.check_passing(actor, passing)?;
        match passing {
            Passing::LogIn { account, session, address, udp_port, .. } => {
                let took_over = self.session(account.0).map(|present| present.session);
                self.leave(account.0, entry.at_ms);
                Rc::make_mut(&mut self.gone).retain(|gone| gone.user != account.0);
                self.newest_order += 1;
                let (user, since_ms) = (account.0, entry.at_ms);
                let (address, udp_port) = (*address, *udp_port);
                let (session, order) = (*session, self.newest_order);
                let present = Present { user, session, address, udp_port, since_ms, order };
                Rc::make_mut(&mut self.online).push(present);
                Ok(Done::LoggedIn { since_ms, took_over })
            }
            Passing::LogOut { .. } => {
                self.leave(actor.ok_or(No::plain(Refusal::InvalidName))?, entry.at_ms);
                Ok(Done::Other)
            }
            Passing::Broadcast { .. } => {
                let deaf = |present: &Present| actor.is_some_and(|by| self.has_blocked(present.user, by));
                let left_out = self.online.iter().any(deaf);
                Ok(Done::Said { at_ms: entry.at_ms, left_out })
            }
            step => self.apply_link(entry, step),
        }
    }

    fn leave(&mut self, user: User, at_ms: u64) {
        if self.session(user).is_some() {
            self.leave_links(user);
            Rc::make_mut(&mut self.online).retain(|present| present.user != user);
            self.newest_order += 1;
            let gone = Gone { user, left_ms: at_ms, order: self.newest_order };
            Rc::make_mut(&mut self.gone).push(gone);
        }
    }

    /// Where the message of this number stands.
    fn place(&self, title: &str, number: u32) -> usize {
        let items = self.thread(title).map_or(&[][..], |(_, thread)| &thread.items);
        let posts = items.iter().enumerate().filter(|(_, item)| matches!(item.what, What::Post(_)));
        posts.map(|(place, _)| place).nth(number as usize - 1).unwrap_or(0)
    }

    fn edit(&mut self, title: &str, edit: impl FnOnce(&mut Thread)) {
        if let Some((id, _)) = self.thread(title)
            && let Some(thread) = Rc::make_mut(&mut self.threads).get_mut(&id)
        {
            edit(Rc::make_mut(thread));
        }
    }
}
