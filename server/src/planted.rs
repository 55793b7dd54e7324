//! Bugs for the simulator to find, so that it is known what it can find. Without the feature `planted-bugs`, which no
//! build of the workspace has, `planted` is the constant false, and nothing of this is in the program.

use crate::session::Wait;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a sentence")]
pub enum Bug {
    AnswerBeforeTheCommit,
    FilesAreUnlinkedBeforeTheRemovalIsDurable,
    ConnectionIsNotWokenWhenItsWaitEnds(Wait),
    EventForTheDeadReachesWhoHasItsSlot,
    FeedSkipsAnItemAfterOneThatIsNotWanted,
    BroadcastReachesWhoHasBlockedItsAuthor,
    WatchNoticeReachesWhoHasBlockedItsAuthor,
    LogOutIsToldToWhomTheUserHasBlocked,
    SnapshotForgetsKeys,
    AcknowledgementAfterTheGoodbyeIsDropped,
    FinIsTakenBeforeTheInputBeforeIt,
    CounterStaysUpWhenAChangeIsRefusedForSpace,
    ListShowsTwoInstants,
    EntryOfAFileComesBeforeTheFileIsStored,
    NameOfAFileIsNotMadeDurable,
    FailedSyncOfAFileIsSwallowed,
    UserLogsInTwice,
    LostConnectionStaysOnline,
    MessageIsLeftOut,
    AnybodyPostsToARoom,
    AnybodyDeletesAPost,
    UploadKeepsItsPlaceWhenAPostBeforeItGoes,
    TimeOfTheLogGoesBack,
    ListOvertakesChanges,
    ChangeIsProposedTwice,
    VanishedPeersAreNotProbed,
    ListenerStaysDeafAfterDescriptorsRanOut,
    GoodbyeIsNotWaitedFor,
    KeyIsNotLookedUp,
    LongTextIsCut,
    UnblockedUserIsStillNotHeard,
    PageSkipsItsFirstItem,
    QuestionReachesWhoHasBlockedTheAsker,
    LinkStandsWhenOneEndHasHeardTheOther,
    BytesStayInFlight,
    DroppedOutputStillCounts,
    BytesOfAListAreNotGivenBack,
    FeedIsNotFreed,
    SocketOfTheDeadStaysOpen,
    StoredFileStaysOpen,
    StartDoesNotMakeTheLogDurable,
    FailedSyncOfTheLogIsSwallowed,
    SearchTakesOneWordForAll,
    PresenceStaysOn,
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::cell::Cell;

    use super::{Bug, Wait};

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// All of them.
    pub const ALL: &[Bug] = &[
        Bug::AnswerBeforeTheCommit,
        Bug::FilesAreUnlinkedBeforeTheRemovalIsDurable,
        Bug::ConnectionIsNotWokenWhenItsWaitEnds(Wait::Output),
        Bug::ConnectionIsNotWokenWhenItsWaitEnds(Wait::Authentication),
        Bug::ConnectionIsNotWokenWhenItsWaitEnds(Wait::PasswordCheck),
        Bug::ConnectionIsNotWokenWhenItsWaitEnds(Wait::OwnEntries),
        Bug::ConnectionIsNotWokenWhenItsWaitEnds(Wait::Room),
        Bug::ConnectionIsNotWokenWhenItsWaitEnds(Wait::Acknowledgements),
        Bug::ConnectionIsNotWokenWhenItsWaitEnds(Wait::Transfers),
        Bug::ConnectionIsNotWokenWhenItsWaitEnds(Wait::Listing),
        Bug::ConnectionIsNotWokenWhenItsWaitEnds(Wait::Rows),
        Bug::EventForTheDeadReachesWhoHasItsSlot,
        Bug::FeedSkipsAnItemAfterOneThatIsNotWanted,
        Bug::BroadcastReachesWhoHasBlockedItsAuthor,
        Bug::WatchNoticeReachesWhoHasBlockedItsAuthor,
        Bug::LogOutIsToldToWhomTheUserHasBlocked,
        Bug::SnapshotForgetsKeys,
        Bug::AcknowledgementAfterTheGoodbyeIsDropped,
        Bug::FinIsTakenBeforeTheInputBeforeIt,
        Bug::CounterStaysUpWhenAChangeIsRefusedForSpace,
        Bug::ListShowsTwoInstants,
        Bug::EntryOfAFileComesBeforeTheFileIsStored,
        Bug::NameOfAFileIsNotMadeDurable,
        Bug::FailedSyncOfAFileIsSwallowed,
        Bug::UserLogsInTwice,
        Bug::LostConnectionStaysOnline,
        Bug::MessageIsLeftOut,
        Bug::AnybodyPostsToARoom,
        Bug::AnybodyDeletesAPost,
        Bug::UploadKeepsItsPlaceWhenAPostBeforeItGoes,
        Bug::TimeOfTheLogGoesBack,
        Bug::ListOvertakesChanges,
        Bug::ChangeIsProposedTwice,
        Bug::VanishedPeersAreNotProbed,
        Bug::ListenerStaysDeafAfterDescriptorsRanOut,
        Bug::GoodbyeIsNotWaitedFor,
        Bug::KeyIsNotLookedUp,
        Bug::LongTextIsCut,
        Bug::UnblockedUserIsStillNotHeard,
        Bug::PageSkipsItsFirstItem,
        Bug::QuestionReachesWhoHasBlockedTheAsker,
        Bug::LinkStandsWhenOneEndHasHeardTheOther,
        Bug::BytesStayInFlight,
        Bug::DroppedOutputStillCounts,
        Bug::BytesOfAListAreNotGivenBack,
        Bug::FeedIsNotFreed,
        Bug::SocketOfTheDeadStaysOpen,
        Bug::StoredFileStaysOpen,
        Bug::StartDoesNotMakeTheLogDurable,
        Bug::FailedSyncOfTheLogIsSwallowed,
        Bug::SearchTakesOneWordForAll,
        Bug::PresenceStaysOn,
    ];

    /// From now on servers on this thread have this bug, or none.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether this server has this bug.
    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "planted-bugs")]
pub(crate) use switch::planted;
#[cfg(feature = "planted-bugs")]
pub use switch::{ALL, plant};

/// Whether this server has this bug: no.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
