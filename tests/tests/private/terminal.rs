//! Private messaging on a terminal, where a client outlives its connection to the server, and so does a
//! session.

use forum_tests::{PASSWORD, Server, Terminal};

use crate::{accepts, not_enabled, question, said};

/// A user on a terminal, logged in.
fn sit_down(server: &Server, name: &str) -> Terminal {
    let forum = server.forum().args(&["--user", name]).env("FORUM_PASSWORD", PASSWORD);
    let mut terminal = forum.start_on_terminal();
    terminal.shows("Welcome to the forum");
    terminal
}

/// yoda and hans on terminals, who can talk privately.
fn talking_pair(server: &Server) -> (Terminal, Terminal) {
    // On a terminal, a new name would be asked about.
    for name in ["yoda", "hans"] {
        server.user(name);
    }
    let (mut yoda, mut hans) = (sit_down(server, "yoda"), sit_down(server, "hans"));
    yoda.shows("hans logged in");
    yoda.says("startprivate hans");
    hans.shows(&question("yoda"));
    hans.says("y");
    yoda.shows(&accepts("hans"));
    hans.shows("Private messaging with yoda is on");
    (yoda, hans)
}

#[test]
fn a_session_outlives_the_server() {
    let mut server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    server.kill();
    yoda.shows("(not connected) > ");
    hans.shows("(not connected) > ");
    yoda.says("private hans nobody between us");
    hans.shows(&said("yoda", "nobody between us"));
    hans.says("private yoda nor above us");
    yoda.shows(&said("hans", "nor above us"));
    yoda.does("private leia hello?", &not_enabled("leia"));
    yoda.does("LST", "Not connected. The command was not sent");
    server.start_again_there();
    yoda.shows("Welcome to the forum");
    hans.shows("Welcome to the forum");
    yoda.says("private hans back again");
    hans.shows(&said("yoda", "back again"));
    hans.does("startprivate yoda", "Error. Private messaging to yoda already enabled");
    hans.does("stopprivate yoda", "Stop private messaging with yoda");
    yoda.shows("hans stopped private messaging");
    yoda.does("private hans hello?", &not_enabled("hans"));
    // The server knows nothing that would stand in the way of another one.
    yoda.says("startprivate hans");
    hans.shows(&question("yoda"));
    hans.says("y");
    yoda.shows(&accepts("hans"));
}

#[test]
fn a_session_can_be_stopped_while_the_server_is_away() {
    let mut server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    server.kill();
    yoda.shows("(not connected) > ");
    hans.shows("(not connected) > ");
    yoda.does("stopprivate hans", "Stop private messaging with hans");
    hans.shows("yoda stopped private messaging");
    hans.does("private yoda hello?", &not_enabled("yoda"));
    yoda.does("stopprivate hans", &not_enabled("hans"));
}

#[test]
fn who_leaves_while_the_server_is_away_is_missed() {
    let mut server = Server::start(&[]);
    let (mut yoda, mut hans) = talking_pair(&server);
    server.kill();
    yoda.shows("(not connected) > ");
    hans.shows("(not connected) > ");
    yoda.says("private hans farewell");
    yoda.says("XIT");
    hans.shows(&said("yoda", "farewell"));
    hans.shows("Private messaging with yoda has ended: the connection is gone");
    hans.does("private yoda hello?", &not_enabled("yoda"));
}
