//! What happens without being asked for: processes end, memory runs out, terminals have something to say.

use std::os::fd::AsRawFd;

use libcontainer::{Exit, Process};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use protobuf::Message;

use crate::connection::Interest;
use crate::console::{Copying, Step};
use crate::events::{Event, timestamp};
use crate::poller::Token;
use crate::shim::{Key, READ, Shim, Source};
use crate::status::Status;
use crate::streams::{Opened, is_read};
use crate::task::{Copy, Ended, Phase, Running, Task};

const SIGKILL: i32 = 9;

impl Shim {
    /// A process has ended, if that is so.
    pub(crate) fn ended(&mut self, key: &Key) {
        let Some(process) = self.find(key) else {
            return;
        };
        let Some((token, handle)) = &process.handle else {
            return;
        };
        let token = *token;
        let exit = match handle.try_wait() {
            Ok(Some(exit)) => exit,
            Ok(None) => return,
            Err(_) => Exit::Unknown,
        };
        process.ended = Some(Ended::now(exit));
        let handle = process.handle.take();
        let starts = process.phase == Phase::Starting;
        self.sources.remove(&token);
        if let Some((_, handle)) = &handle {
            self.poller.remove(handle);
        }
        // Its end is told after its start.
        if !starts {
            self.tell_end(key);
        }
    }

    /// Tells those who want to know that a process has ended.
    pub(crate) fn tell_end(&mut self, key: &Key) {
        let is_first = key.exec.is_empty();
        if is_first {
            self.look_at_memory(&key.id);
            self.end_the_rest(&key.id);
        }
        self.finish_streams(key);
        let Some(process) = self.find(key) else {
            return;
        };
        let Some(ended) = process.ended else { return };
        if process.phase != Phase::Deleting {
            process.phase = Phase::Stopped;
        }
        let (pid, waiters) = (process.pid, std::mem::take(&mut process.waiters));
        let name = if is_first { &key.id } else { &key.exec };
        self.publish(&Event::exited(&key.id, name, pid, ended));
        let message = wait_response(ended);
        for caller in waiters {
            self.answer(caller, Ok(message.clone()));
        }
    }

    /// Without a pid namespace of its own, a container's other processes outlive the first.
    fn end_the_rest(&mut self, id: &str) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        if let Some((token, _)) = task.memory.take() {
            self.sources.remove(&token);
        }
        if let Some(container) = &task.container
            && !container.record().owns_pids
            && let Err(error) = container.kill(SIGKILL, true)
        {
            crate::log::warn(id, &error.to_string());
        }
    }

    pub(crate) fn look_at_memory(&mut self, id: &str) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let Some((token, watch)) = &mut task.memory else {
            return;
        };
        let token = *token;
        let gone = match watch.events() {
            Ok(events) if events.oom > 0 => {
                self.publish(&Event::out_of_memory(id));
                return;
            }
            Ok(events) => events.empty,
            Err(_) => true,
        };
        if gone && let Some(task) = self.tasks.get_mut(id) {
            task.memory = None;
            self.sources.remove(&token);
        }
    }

    /// Connects a new process with its streams and its terminal, and waits for its end.
    pub(crate) fn adopt(
        &mut self,
        key: &Key,
        mut handle: Process,
        opened: Opened,
    ) -> Result<(), Status> {
        let token = self.listen(&handle, Source::End(key.clone()))?;
        let terminal = handle.terminal.take();
        let mut directions = Vec::new();
        if let Some(terminal) = &terminal {
            use std::os::fd::AsFd;
            let clone = || {
                let again = terminal.as_fd().try_clone_to_owned();
                again.map_err(|error| Status::failed(format!("copy the terminal: {error}")))
            };
            if let Some(output) = opened.output {
                directions.push((Copying::new(clone()?, output), true));
            }
            if let Some(input) = opened.input {
                directions.push((Copying::new(input, clone()?), false));
            }
        }
        let mut copies = Vec::new();
        for (copying, is_output) in directions {
            let token = self.poller.token();
            self.sources.insert(token, Source::Copy(key.clone()));
            copies.push(Copy {
                token,
                copying,
                waits: None,
                is_output,
            });
        }
        let tokens: Vec<Token> = copies.iter().map(|copy| copy.token).collect();
        let Some(process) = self.find(key) else {
            return Ok(());
        };
        process.pid = handle.pid();
        process.handle = Some((token, handle));
        process.terminal = terminal;
        process.ends = opened.ends;
        if process.is_input_closed {
            process.ends.close_stdin();
        }
        process.copies = copies;
        for token in tokens {
            self.copy(key, token);
        }
        Ok(())
    }

    /// Copies in one direction of a terminal, and waits for what that waits for.
    pub(crate) fn copy(&mut self, key: &Key, token: Token) {
        let Some(task) = self.tasks.get_mut(&key.id) else {
            return;
        };
        let Ok(process) = task.process(&key.id, &key.exec) else {
            return;
        };
        let Some(copy) = process.copies.iter_mut().find(|copy| copy.token == token) else {
            return;
        };
        if let Some(waits) = copy.waits.take() {
            self.poller.remove(&waits);
        }
        let (end, interest) = match copy.copying.step() {
            Step::Source => (copy.copying.from.try_clone(), READ),
            Step::Sink => {
                let write = Interest {
                    read: false,
                    write: true,
                };
                (copy.copying.to.try_clone(), write)
            }
            Step::More => return self.hasty.push((key.clone(), token)),
            Step::Over => {
                let was_output = copy.is_output;
                process.copies.retain(|copy| copy.token != token);
                self.sources.remove(&token);
                if was_output && process.ended.is_some() {
                    self.release(key);
                }
                return;
            }
        };
        if let Ok(end) = end
            && self.poller.add(&end, token, interest).is_ok()
        {
            copy.waits = Some(end);
        }
    }

    /// After a process's end: what its terminal has said last is copied, and the end of its output can be seen.
    fn finish_streams(&mut self, key: &Key) {
        let Some(process) = self.find(key) else {
            return;
        };
        let outputs: Vec<Token> = process
            .copies
            .iter()
            .filter(|copy| copy.is_output)
            .map(|copy| copy.token)
            .collect();
        for token in &outputs {
            self.copy(key, *token);
        }
        let Some(process) = self.find(key) else {
            return;
        };
        let inputs: Vec<Token> = process
            .copies
            .iter()
            .filter(|copy| !copy.is_output)
            .map(|copy| copy.token)
            .collect();
        let is_copied = process.copies.iter().all(|copy| !copy.is_output);
        for token in inputs {
            self.stop_copy(key, token);
        }
        // Else when the rest has been copied.
        if is_copied {
            self.release(key);
        }
    }

    fn stop_copy(&mut self, key: &Key, token: Token) {
        self.sources.remove(&token);
        let Some(task) = self.tasks.get_mut(&key.id) else {
            return;
        };
        if let Ok(process) = task.process(&key.id, &key.exec)
            && let Some(at) = process.copies.iter().position(|copy| copy.token == token)
            && let Some(waits) = &process.copies.remove(at).waits
        {
            self.poller.remove(waits);
        }
    }

    fn release(&mut self, key: &Key) {
        let Some(process) = self.find(key) else {
            return;
        };
        process.terminal = None;
        let unread = process.ends.release();
        if unread.is_empty() {
            return;
        }
        process.unread = unread;
        self.wait_for_readers();
    }

    /// Lets go of all that a process that is removed has here.
    pub(crate) fn let_go(&mut self, process: &mut Running) {
        for copy in process.copies.drain(..) {
            self.sources.remove(&copy.token);
            if let Some(waits) = &copy.waits {
                self.poller.remove(waits);
            }
        }
        if let Some((token, handle)) = process.handle.take() {
            self.sources.remove(&token);
            self.poller.remove(&handle);
        }
        process.unread.clear();
    }

    fn wait_for_readers(&mut self) {
        if self.readers.is_none()
            && let Ok(inotify) = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            && let Ok(token) = self.listen(&inotify, Source::Readers)
        {
            self.readers = Some((token, inotify));
        }
        if let Some((_, inotify)) = &self.readers {
            let processes = self.tasks.values().flat_map(Task::processes);
            for write in processes.flat_map(|process| &process.unread) {
                let path = format!("/proc/self/fd/{}", write.as_raw_fd());
                let _ = inotify.add_watch(path.as_str(), AddWatchFlags::IN_OPEN);
            }
        }
        // Who has come meanwhile.
        self.look_for_readers();
    }

    /// An end to write to is no longer needed where somebody reads: with it gone, they see the end. The inotify instance stays:
    /// to end one takes the kernel 10 to 20 ms, and what it watches leaves it when it is removed.
    pub(crate) fn look_for_readers(&mut self) {
        if let Some((_, inotify)) = &self.readers {
            let _ = inotify.read_events();
        }
        for process in self.tasks.values_mut().flat_map(Task::processes_mut) {
            process.unread.retain(|write| !is_read(write));
        }
    }

    pub(crate) fn find(&mut self, key: &Key) -> Option<&mut Running> {
        self.tasks
            .get_mut(&key.id)?
            .process(&key.id, &key.exec)
            .ok()
    }
}

/// The answer to who waits for a process.
pub(crate) fn wait_response(ended: Ended) -> Vec<u8> {
    let mut message = containerd_shim_protos::api::WaitResponse::new();
    message.exit_status = ended.status;
    message.exited_at = timestamp(ended.at);
    message.write_to_bytes().unwrap_or_default()
}
