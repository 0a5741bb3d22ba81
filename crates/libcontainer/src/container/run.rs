//! `run`: create and start at once.

use super::create::Made;
use super::fence::Fence;
use super::prepare::CreateOptions;
use super::{Container, Created};
use crate::Error;
use crate::bundle::Bundle;
use crate::notify::Readiness;
use crate::state::Store;

impl Container {
    /// Creates a container and starts it, which is cheaper than one after the other: nobody else can start it. Its end can be
    /// waited for at the process that comes back; then it is to be deleted ([`Container::remove`]).
    ///
    /// # Errors
    /// As [`Container::create`] and [`Container::start`]; nothing is left behind then.
    pub fn run(
        store: &Store,
        id: &str,
        bundle: &Bundle,
        options: CreateOptions,
    ) -> Result<Created, Error> {
        let manager = options.notify_socket.clone();
        let Made {
            locked,
            process,
            fence,
            refused,
        } = Container::make(store, id, bundle, options, Fence::Pipe)?;
        let started = (|| {
            let readiness = match &manager {
                Some(manager) => Readiness::listen(&locked.folder, manager)?,
                None => None,
            };
            match &fence {
                Some(fence) => locked.release(fence)?,
                None => locked.confirm_program(refused)?,
            }
            Ok(readiness)
        })();
        match started {
            // Others may look at, signal and delete the container from now on.
            Ok(readiness) => Ok(Created {
                container: locked.unlock(),
                process,
                readiness,
            }),
            Err(error) => {
                locked.discard();
                Err(error)
            }
        }
    }
}
