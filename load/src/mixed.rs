//! Different requests by chance, each connection with a thread of its own: so it knows which messages are
//! there to be read, edited and deleted, and nothing is refused.

use forum_common::wire::Request;

use crate::args::Arguments;
use crate::dialect::forum::TAG;
use crate::keys::Keys;
use crate::work::{Preparation, read_thread, text_of, user_name};

/// What may be asked for, by its name on the command line.
pub(crate) const KINDS: &[&str] = &["ping", "post", "read", "edit", "delete", "message"];

/// In the order of the names.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Ping,
    Post,
    Read,
    Edit,
    Delete,
    Message,
}

/// What is asked for how often, and what is there already.
#[derive(Debug)]
pub struct Mixed {
    weights: Vec<(u32, Kind)>,
    sum: u32,
    prefix: String,
    /// The number of the first connection.
    first: u32,
    text: String,
    page: u32,
    connections: u32,
    /// Messages in the thread of each connection.
    posts: Vec<u32>,
    random: fastrand::Rng,
    keys: Keys,
}

impl Mixed {
    pub(crate) fn new(arguments: &Arguments, first: u32) -> Result<Self, String> {
        let weights = parse_weights(&arguments.weights)?;
        Ok(Self {
            sum: weights.iter().map(|(weight, _)| weight).sum(),
            weights,
            prefix: arguments.user_prefix.clone(),
            first,
            text: text_of(arguments.text_bytes()),
            page: arguments.page.1 - arguments.page.0 + 1,
            connections: arguments.connections,
            posts: vec![0; arguments.connections as usize],
            random: fastrand::Rng::with_seed(arguments.seed),
            keys: Keys::new(arguments.keys),
        })
    }

    /// A fresh thread with a page of messages.
    pub(crate) fn prepare(&mut self, number: u32, out: &mut Vec<u8>) -> u32 {
        let title = &self.title(number);
        let mut preparation = Preparation::default();
        preparation.ask(&Request::RemoveThread { title, key: None });
        preparation.ask(&Request::CreateThread { title, key: None });
        for _ in 0..self.page {
            preparation.ask(&Request::Post { title, text: &self.text, key: None });
        }
        self.posts[(number - self.first) as usize] = self.page;
        preparation.send(out)
    }

    /// Appends a request, and says of which kind it is: the place in [`KINDS`].
    pub(crate) fn append(&mut self, number: u32, out: &mut Vec<u8>) -> u8 {
        let local = number - self.first;
        let kind = self.possible(self.posts[local as usize]);
        let title = &self.title(number);
        let text = &self.text;
        let posts = &mut self.posts[local as usize];
        let user;
        let mut request = match kind {
            Kind::Ping => Request::Ping { payload: b"" },
            Kind::Read => {
                let from = (*posts).saturating_sub(self.page) + 1;
                read_thread(title, from, *posts)
            }
            Kind::Edit => {
                let number = self.random.u32(1..=*posts);
                Request::EditPost { title, number, text, id: None, key: None }
            }
            Kind::Delete => {
                *posts -= 1;
                Request::DeletePost { title, number: self.random.u32(1..=*posts), id: None, key: None }
            }
            Kind::Post => {
                *posts += 1;
                Request::Post { title, text, key: None }
            }
            Kind::Message => {
                let other = self.first + (local + self.random.u32(1..self.connections)) % self.connections;
                user = user_name(&self.prefix, other);
                Request::SendMessage { user: &user, text, key: None }
            }
        };
        if let Some(key) = request.key_mut() {
            *key = self.keys.make();
        }
        request.encode(TAG, out);
        kind as u8
    }

    /// The next kind by chance, or what takes its place where a thread has so many messages.
    fn possible(&mut self, posts: u32) -> Kind {
        match self.choose() {
            // The last message stays, so that there is always one to read and edit.
            Kind::Delete if posts <= 1 => Kind::Post,
            Kind::Message if self.connections == 1 => Kind::Ping,
            kind => kind,
        }
    }

    /// The thread of a connection.
    pub(crate) fn title(&self, number: u32) -> String {
        format!("{}-mixed-{number}", self.prefix)
    }

    fn choose(&mut self) -> Kind {
        let mut point = self.random.u32(..self.sum);
        for &(weight, kind) in &self.weights {
            if point < weight {
                return kind;
            }
            point -= weight;
        }
        unreachable!("the point is below the sum of the weights")
    }
}

fn parse_weights(text: &str) -> Result<Vec<(u32, Kind)>, String> {
    let weights = text.split(',').map(|word| {
        let (name, weight) = word.split_once('=')?;
        let place = KINDS.iter().position(|known| *known == name)?;
        let kind = [Kind::Ping, Kind::Post, Kind::Read, Kind::Edit, Kind::Delete, Kind::Message][place];
        Some((weight.parse().ok().filter(|weight| *weight <= 1_000_000)?, kind))
    });
    let weights: Option<Vec<_>> = weights.collect();
    weights
        .filter(|weights| weights.len() <= 100 && weights.iter().any(|(weight, _)| *weight > 0))
        .ok_or_else(|| {
            let names = KINDS.join(", ");
            format!("--weights: expected for instance ping=10,read=90, of {names}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_name_what_there_is() {
        assert_eq!(parse_weights("ping=1,message=3").unwrap().len(), 2);
        for bad in ["", "ping", "ping=x", "pong=1", "ping=0"] {
            assert!(parse_weights(bad).is_err(), "{bad}");
        }
    }
}
