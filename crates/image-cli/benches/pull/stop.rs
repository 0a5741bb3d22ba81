//! Told to stop, nothing stays: neither gigabytes in the temporary directory, nor programs, nor mounts.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use rustix::mount::{MountPropagationFlags, mount_change};

/// Programs that run. Whoever holds the lock keeps others from being started.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// From here on SIGINT, SIGTERM and SIGHUP end what was started, remove `folder`, and then end this program. Mounts are made
/// in a namespace of our own, which ends with us. To be called before any thread or program is started.
pub(crate) fn clean_up_when_told_to_stop(folder: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let private = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", private).unwrap();
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block().unwrap();
    let folder = folder.to_path_buf();
    std::thread::spawn(move || {
        let signal = signals.wait().unwrap();
        eprintln!("{signal}: removing {}", folder.display());
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        for pid in running.iter() {
            let _ = kill(Pid::from_raw(*pid as i32), Signal::SIGKILL);
        }
        // The main thread may still be making files; it cannot for long, as its folders vanish.
        let start = Instant::now();
        while remove(&folder).is_err() && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(100));
        }
        std::process::exit(128 + signal as i32);
    });
}

fn remove(folder: &Path) -> tare_image::Result<()> {
    // podman leaves a mount on its own directory.
    let podman = folder.join("out/root/overlay");
    let _ = rustix::mount::unmount(podman, rustix::mount::UnmountFlags::DETACH);
    if folder.exists() {
        tare_image::unpack::remove_tree(folder)?;
    }
    Ok(())
}

/// Starts a program that is ended together with this one.
pub(crate) fn start(command: &mut Command) -> Child {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    running.push(child.id());
    child
}

/// The program was waited for; its number may be another's by now.
pub(crate) fn ended(child: &Child) {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.retain(|pid| *pid != child.id());
}
