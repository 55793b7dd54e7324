//! The journal's thread: it works for the writer whenever the loop doesn't do that itself. It waits, takes what
//! the loop has handed over, and in between does what is due.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::DIED;
use super::messages::{Report, Work};
use super::writer::{Broken, Idle, Writer};
use crate::inbox::{Inbox, Taken};

/// Tells reports to the loop and wakes it; also when the thread ends in any other way, since a loop that
/// waits for an outcome would never learn that none will come.
pub(super) struct Reporter {
    reports: Option<Sender<Report>>,
    wake: Box<dyn Fn() + Send>,
}

impl Reporter {
    pub(super) fn new(reports: Sender<Report>, wake: Box<dyn Fn() + Send>) -> Self {
        Self { reports: Some(reports), wake }
    }

    pub(super) fn tell(&self, report: Report) {
        if let Some(reports) = &self.reports {
            // Nobody listens any more once the journal was dropped; then nobody needs to know.
            let _ = reports.send(report);
        }
        (self.wake)();
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.reports = None;
        (self.wake)();
    }
}

/// Takes the writer. A thread that panicked with it has left it broken.
fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
        let mut writer = poisoned.into_inner();
        writer.fail(Broken(DIED.to_owned()));
        writer
    })
}

/// The thread's life: it works until it is told to close, or until nothing can be written any more.
pub(super) fn run(writer: &Mutex<Writer>, reporter: &Reporter, works: &Inbox<Work>) -> Result<(), Broken> {
    loop {
        let idle = lock(writer).when_idle();
        let work = match idle {
            Idle::DeleteOutdated => works.try_take(),
            Idle::Sync(wait) => works.take(Some(wait)),
            Idle::Nothing => works.take(None),
        };
        if matches!(work, Taken::Item(Work::Close) | Taken::End) {
            return Ok(());
        }
        at(writer, |writer| perform(writer, reporter, work))?;
        sync_if_due(writer, reporter)?;
        at(writer, Writer::maintain)?;
    }
}

/// Does something with the writer, unless it is broken, as which it is left if that fails.
fn at(writer: &Mutex<Writer>, work: impl FnOnce(&mut Writer) -> Result<(), Broken>) -> Result<(), Broken> {
    let mut writer = lock(writer);
    // The loop may have broken it.
    writer.check()?;
    work(&mut writer).inspect_err(|broken| writer.fail(broken.clone()))
}

/// Makes the fsyncs that are due, while the loop may commit: they cover what was committed before they began.
fn sync_if_due(writer: &Mutex<Writer>, reporter: &Reporter) -> Result<(), Broken> {
    let Some(due) = lock(writer).take_due() else { return Ok(()) };
    let synced = due.run().inspect_err(|broken| lock(writer).fail(broken.clone()))?;
    if let Some(tip) = synced {
        reporter.tell(Report::Synced { tip });
    }
    Ok(())
}

fn perform(writer: &mut Writer, reporter: &Reporter, work: Taken<Work>) -> Result<(), Broken> {
    match work {
        Taken::Item(Work::Batch(batch)) => reporter.tell(writer.commit(batch)?),
        Taken::Item(Work::Snapshot { covers, steps }) => writer.begin_snapshot(covers, steps)?,
        Taken::Item(Work::SnapshotStep) => {
            if let Some(report) = writer.take_step()? {
                reporter.tell(report);
            }
        }
        Taken::Nothing => writer.delete_outdated()?,
        Taken::Item(Work::Maintain | Work::Close) | Taken::End => {}
    }
    Ok(())
}
