//! What is asked of CRIU: requests and their options.

use super::message::Message;
use super::mounts::External;

/// What CRIU is to do, with the numbers of `criu_req_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Dump = 1,
    Restore = 2,
    PreDump = 4,
    FeatureCheck = 9,
    Version = 10,
}

impl Request {
    pub(super) fn name(self) -> &'static str {
        match self {
            Request::Dump => "DUMP",
            Request::Restore => "RESTORE",
            Request::PreDump => "PRE_DUMP",
            Request::FeatureCheck => "FEATURE_CHECK",
            Request::Version => "VERSION",
        }
    }
}

/// Abilities of CRIU and the kernel (`criu_features`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) mem_track: bool,
    pub(crate) lazy_pages: bool,
}

impl Features {
    pub(super) fn message(self) -> Message {
        let mut message = Message::default();
        message.flag(1, self.mem_track).flag(2, self.lazy_pages);
        message
    }

    /// What is wanted and not there, by the names that runc has for it.
    pub(crate) fn missing(self, offered: Features) -> Vec<&'static str> {
        let wants = [
            (self.mem_track && !offered.mem_track, "MemTrack"),
            (self.lazy_pages && !offered.lazy_pages, "LazyPages"),
        ];
        let missing = wants.iter().filter(|(missing, _)| *missing);
        missing.map(|(_, name)| *name).collect()
    }
}

/// The options of a dump or restore (`criu_opts`). Those without a value are not sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options<'a> {
    /// Descriptors of ours, which CRIU finds below `/proc`.
    pub(crate) images_dir_fd: i32,
    pub(crate) work_dir_fd: Option<i32>,
    pub(crate) pid: Option<i32>,
    pub(crate) leave_running: bool,
    pub(crate) ext_unix_sk: bool,
    pub(crate) tcp_established: bool,
    pub(crate) tcp_skip_in_flight: bool,
    pub(crate) evasive_devices: bool,
    pub(crate) shell_job: bool,
    pub(crate) file_locks: bool,
    pub(crate) link_remap: bool,
    pub(crate) auto_dedup: bool,
    pub(crate) lazy_pages: bool,
    pub(crate) rst_sibling: bool,
    pub(crate) log_file: &'a str,
    pub(crate) page_server: Option<(&'a str, u16)>,
    pub(crate) root: &'a str,
    pub(crate) parent_img: Option<&'a str>,
    pub(crate) manage_cgroups_mode: i32,
    pub(crate) freeze_cgroup: Option<String>,
    /// `--external`, such as `net[4026531992]:extRootNetNS`.
    pub(crate) external: Vec<String>,
    pub(crate) ext_mnt: Vec<External>,
    /// Key and descriptor number in CRIU.
    pub(crate) inherit_fd: Vec<(String, i32)>,
    /// Type and file.
    pub(crate) join_ns: Vec<(&'static str, String)>,
    /// Controllers and path.
    pub(crate) cg_root: Vec<(String, String)>,
    pub(crate) empty_ns: u64,
    pub(crate) config_file: Option<String>,
    pub(crate) lsm_profile: Option<&'a str>,
    pub(crate) lsm_mount_context: Option<&'a str>,
}

/// A message of two fields.
fn pair(first: &str, second: &str) -> Message {
    let mut message = Message::default();
    message.text(1, first).text(2, second);
    message
}

impl Options<'_> {
    pub(super) fn message(&self) -> Message {
        const LOG_LEVEL: i64 = 4;
        let mut message = Message::default();
        message.number(1, self.images_dir_fd.into());
        let numbers = [(17, self.work_dir_fd), (2, self.pid)];
        for (field, number) in numbers {
            if let Some(number) = number {
                message.number(field, number.into());
            }
        }
        let flags = [
            (3, self.leave_running),
            (4, self.ext_unix_sk),
            (5, self.tcp_established),
            (6, self.evasive_devices),
            (7, self.shell_job),
            (8, self.file_locks),
            // Someone is told about the points of the work.
            (12, true),
            (15, self.parent_img.is_some()),
            (16, self.auto_dedup),
            (18, self.link_remap),
            (24, true),
            (26, self.rst_sibling),
            (46, self.tcp_skip_in_flight),
            (48, self.lazy_pages),
            // A terminal's master end is outside of the container.
            (50, true),
        ];
        for (field, flag) in flags {
            message.flag(field, flag);
        }
        message.number(9, LOG_LEVEL).text(10, self.log_file);
        if let Some((address, port)) = self.page_server {
            let mut server = Message::default();
            server.text(1, address).number(2, port.into());
            message.bytes(11, server.as_bytes());
        }
        let texts = [
            (13, Some(self.root)),
            (14, self.parent_img),
            (44, self.freeze_cgroup.as_deref()),
            (51, self.config_file.as_deref()),
            (53, self.lsm_profile),
            (64, self.lsm_mount_context),
        ];
        for (field, text) in texts {
            if let Some(text) = text {
                message.text(field, text);
            }
        }
        for mount in &self.ext_mnt {
            message.bytes(23, pair(&mount.key, &mount.value).as_bytes());
        }
        for (controllers, path) in &self.cg_root {
            message.bytes(25, pair(controllers, path).as_bytes());
        }
        for (key, fd) in &self.inherit_fd {
            let mut inherited = Message::default();
            inherited.text(1, key).number(2, (*fd).into());
            message.bytes(27, inherited.as_bytes());
        }
        message.number(34, self.manage_cgroups_mode.into());
        for external in &self.external {
            message.text(37, external);
        }
        message.number(38, self.empty_ns.cast_signed());
        for (kind, file) in &self.join_ns {
            message.bytes(39, pair(kind, file).as_bytes());
        }
        message
    }
}
