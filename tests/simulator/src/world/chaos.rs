//! What goes wrong of the machine: its disks, its clock, its processor, its descriptors.

use super::World;
use crate::clock::{MS, SECOND};
use crate::kernel::Event;
use crate::plan::Faults;

impl World {
    /// Something of the machine goes wrong, perhaps.
    pub(super) fn chaos(&mut self) {
        let faults = self.stage.plan.faults.clone();
        let before = self.stage.faults;
        self.disturb_log(&faults);
        self.disturb_files(&faults);
        self.disturb_clock(&faults);
        self.disturb_network(&faults);
        if self.stage.faults > before {
            self.stage.trace.note(&[9, self.stage.faults]);
        }
    }

    fn disturb_log(&mut self, faults: &Faults) {
        if self.rng.chance(faults.no_space) {
            let commits = self.rng.between(1, 4) as usize;
            self.stage.say(|| format!("no space for {commits} commits"));
            self.machine.fill_log(commits);
            self.stage.faults += 1;
        }
        if self.rng.chance(faults.log_sync) {
            self.stage.say(|| "the next sync of the log fails".to_owned());
            self.machine.fail_log_sync();
            self.stage.faults += 1;
        }
        if self.rng.chance(faults.slow_log) {
            let time = self.rng.magnitude(MS, 10 * SECOND);
            self.stage.say(|| format!("the next commit takes {} ms longer", time / MS));
            self.machine.slow_log(time);
            self.stage.faults += 1;
        }
    }

    fn disturb_files(&mut self, faults: &Faults) {
        if self.rng.chance(faults.no_file_space) {
            let appends = self.rng.chance(500).then(|| self.rng.below(4) as usize);
            self.machine.files().fill_up_after(appends);
            self.stage.faults += u64::from(appends.is_some());
        }
        if self.rng.chance(faults.file_sync) {
            self.stage.say(|| "the next sync of a file fails".to_owned());
            self.machine.files().fail_syncs(1);
            self.stage.faults += 1;
        }
    }

    fn disturb_clock(&mut self, faults: &Faults) {
        if self.rng.chance(faults.wall_jump) {
            let ms = self.rng.magnitude(1, 10_000_000) as i64;
            let ms = if self.rng.chance(500) { ms } else { -ms };
            self.stage.say(|| format!("the time of day is set by {ms} ms"));
            self.stage.clock.jump(ms);
            self.stage.faults += 1;
        }
        if self.rng.chance(faults.pause) {
            let time = self.rng.magnitude(MS, 10 * SECOND);
            let until = self.stage.now() + time;
            if self.rng.chance(500) {
                self.stage.say(|| format!("the server stands still for {} ms", time / MS));
                self.machine.stop_until(until);
            } else {
                self.stage.say(|| format!("everything stands still for {} ms", time / MS));
                self.stage.clock.advance_to(until);
                self.stage.stood_still = Some((time, until));
            }
            self.stage.faults += 1;
        }
    }

    fn disturb_network(&mut self, faults: &Faults) {
        if self.rng.chance(faults.accept) {
            self.stage.kernel.borrow_mut().fail_accepts(1);
            self.stage.faults += 1;
        }
        if self.rng.chance(faults.descriptors) && self.hogged == 0 {
            self.hogged = self.stage.plan.descriptors_max;
            self.stage.kernel.borrow_mut().take_descriptors(self.hogged);
            let time = self.rng.magnitude(MS, 5 * SECOND);
            self.stage.kernel.borrow_mut().push_after(time, Event::Release);
            self.stage.say(|| format!("no descriptors for {} ms", time / MS));
            self.stage.faults += 1;
        }
    }
}
