//! Lists in pages: each item that was there all along comes exactly once, however long the pages are and whatever
//! happens between them.
#![forbid(unsafe_code)]

use forum_common::wire::{OwnedReply, Request};
use forum_tests::{Server, Wire, read};

/// The same list from `after` on, at most so many items of it.
fn page_of(mut request: Request<'_>, from: Option<u64>, most: u32) -> Request<'_> {
    let Some((after, at_most)) = request.page_mut() else { panic!("{request:?} asks for no list") };
    (*after, *at_most) = (from, Some(most));
    request
}

/// All items of a list, by pages of so many; `between` is done after each of them.
fn in_pages(
    wire: &mut Wire,
    request: Request<'_>,
    most: u32,
    mut between: impl FnMut(&mut Wire),
) -> Vec<OwnedReply> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let tag = wire.send(&page_of(request, after, most));
        let (items, next) = wire.page(tag);
        assert!(items.len() <= most as usize, "{} items", items.len());
        assert!(next.is_none() || items.len() == most as usize, "a page before the last one is full");
        all.extend(items);
        if next.is_none() {
            return all;
        }
        after = next;
        between(wire);
    }
}

const THREADS: Request<'_> = Request::ListThreads { after: None, at_most: None, unread: None };

#[test]
fn every_list_comes_in_pages_of_any_length() {
    let server = Server::start(&[]);
    let [mut yoda, mut hans, mut luke, _leia] = server.online(["yoda", "hans", "luke", "leia"]);
    server.user("away").log_out();
    for (number, title) in ["t", "a", "b", "c", "d"].iter().enumerate() {
        yoda.done(&Request::CreateThread { title, key: None });
        yoda.done(&Request::Post { title: "t", text: title, key: None });
        assert!(hans.upload("t", &format!("f{number}"), b"bytes").is_ok());
        hans.done(&Request::PostToBoard { text: title, key: None });
    }
    hans.done(&Request::CreateRoom { users: "yoda", key: None });
    luke.done(&Request::CreateRoom { users: "yoda hans", key: None });
    for text in ["m", "more m", "M"] {
        yoda.done(&Request::Post { title: "a", text, key: None });
    }
    for room in [1, 2, 1, 2, 1] {
        yoda.done(&Request::PostToRoom { room, text: "m", key: None });
    }
    let lists = [
        (THREADS, 5),
        (read("t", None), 10),
        (read("t", Some((2, 4))), 5),
        (Request::WhoElse { after: None, at_most: None }, 3),
        (Request::WhoElseSince { seconds: 1_000, after: None, at_most: None }, 4),
        (Request::ListActive { after: None, at_most: None }, 3),
        (Request::ReadBoard { later_than_ms: None, after: None, at_most: None, from: None }, 5),
        (Request::ReadRooms { later_than_ms: None, after: None, at_most: None, room: None, from: None }, 5),
        (
            Request::ReadRooms {
                later_than_ms: None,
                after: None,
                at_most: None,
                room: Some(1),
                from: Some(2),
            },
            2,
        ),
        (Request::ListRooms { after: None, at_most: None }, 2),
        (Request::Search { words: "M", title: None, after: None, at_most: None }, 3),
    ];
    for (list, count) in lists {
        let whole = yoda.list(&list);
        assert_eq!(whole.len(), count, "{list:?}: {whole:#?}");
        for most in 1..=count as u32 + 1 {
            assert_eq!(in_pages(&mut yoda, list, most, |_| ()), whole, "{list:?} by {most}");
        }
    }
}

#[test]
fn what_is_deleted_or_comes_between_two_pages_moves_nothing_else() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    for number in 0..20 {
        yoda.done(&Request::Post { title: "t", text: &number.to_string(), key: None });
    }
    let mut deleted = 0;
    // The first post that is left goes after each page: it was listed already.
    let items = in_pages(&mut yoda, read("t", None), 3, |yoda| {
        yoda.done(&Request::DeletePost { title: "t", number: 1, id: None, key: None });
        deleted += 1;
        if deleted == 1 {
            yoda.done(&Request::Post { title: "t", text: "late", key: None });
        }
    });
    let texts: Vec<String> = items
        .into_iter()
        .map(|item| match item {
            OwnedReply::PostItem { text, .. } => text,
            other => panic!("{other:?}"),
        })
        .collect();
    let wanted: Vec<String> = (0..20).map(|number| number.to_string()).chain(["late".to_owned()]).collect();
    assert_eq!(texts, wanted);
    assert!(deleted >= 6);
}

#[test]
fn a_removed_thread_that_a_page_ended_with_breaks_no_list() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let titles: Vec<String> = (0..6).map(|number| format!("t{number}")).collect();
    for title in &titles {
        yoda.done(&Request::CreateThread { title, key: None });
    }
    let mut listed = 0;
    let items = in_pages(&mut yoda, THREADS, 2, |yoda| {
        listed += 2;
        yoda.done(&Request::RemoveThread { title: &titles[listed - 1], key: None });
    });
    assert_eq!(items.len(), titles.len());
    assert_eq!(yoda.titles(), ["t0", "t2", "t4", "t5"]);
}
