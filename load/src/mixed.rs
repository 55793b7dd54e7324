//! Different requests by chance, each connection with a thread of its own: so it knows which messages are
//! there to be read, edited and deleted, and nothing is refused.

use forum_common::wire::Request;

use crate::args::Arguments;
use crate::dialect::forum::TAG;
use crate::keys::Keys;
use crate::work::{Preparation, read_thread, text_of, user_name};

/// What may be asked for, by its name on the command line.
const KINDS: [(&str, Kind); 6] = [
    ("ping", Kind::Ping),
    ("post", Kind::Post),
    ("read", Kind::Read),
    ("edit", Kind::Edit),
    ("delete", Kind::Delete),
    ("message", Kind::Message),
];

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
    text: String,
    page: u32,
    connections: u32,
    /// Messages in the thread of each connection.
    posts: Vec<u32>,
    random: fastrand::Rng,
    keys: Keys,
}

impl Mixed {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self, String> {
        let weights = parse_weights(&arguments.weights)?;
        Ok(Self {
            sum: weights.iter().map(|(weight, _)| weight).sum(),
            weights,
            prefix: arguments.user_prefix.clone(),
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
        self.posts[number as usize] = self.page;
        preparation.send(out)
    }

    pub(crate) fn append(&mut self, number: u32, out: &mut Vec<u8>) {
        let kind = self.choose();
        let title = &self.title(number);
        let text = &self.text;
        let posts = &mut self.posts[number as usize];
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
            Kind::Delete if *posts > 1 => {
                *posts -= 1;
                Request::DeletePost { title, number: self.random.u32(1..=*posts), id: None, key: None }
            }
            // The last message stays, so that there is always one to read and edit.
            Kind::Post | Kind::Delete => {
                *posts += 1;
                Request::Post { title, text, key: None }
            }
            Kind::Message if self.connections > 1 => {
                let other = (number + self.random.u32(1..self.connections)) % self.connections;
                user = user_name(&self.prefix, other);
                Request::SendMessage { user: &user, text, key: None }
            }
            Kind::Message => Request::Ping { payload: b"" },
        };
        if let Some(key) = request.key_mut() {
            *key = self.keys.make();
        }
        request.encode(TAG, out);
    }

    fn title(&self, number: u32) -> String {
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
        let &(_, kind) = KINDS.iter().find(|(known, _)| *known == name)?;
        Some((weight.parse().ok().filter(|weight| *weight <= 1_000_000)?, kind))
    });
    let weights: Option<Vec<_>> = weights.collect();
    weights
        .filter(|weights| weights.len() <= 100 && weights.iter().any(|(weight, _)| *weight > 0))
        .ok_or_else(|| {
            let names = KINDS.map(|(name, _)| name).join(", ");
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
