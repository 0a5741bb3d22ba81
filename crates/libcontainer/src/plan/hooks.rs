//! `hooks`: where they run in the order of things (runtime.md, "Lifecycle").

use init::step::ShareNamespaces;
use kernel::namespace::flags::NEWUSER;
use spec::{ConfigPath, Hook, Hooks};

use super::{Draft, Namespaces, PlanError, RuntimeStep};

/// The six points of the life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of config.md")]
pub enum Kind {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

impl Kind {
    /// All, in the order of the life cycle.
    pub const ALL: [Kind; 6] = [
        Kind::Prestart,
        Kind::CreateRuntime,
        Kind::CreateContainer,
        Kind::StartContainer,
        Kind::Poststart,
        Kind::Poststop,
    ];

    /// The name in the config.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Prestart => "prestart",
            Kind::CreateRuntime => "createRuntime",
            Kind::CreateContainer => "createContainer",
            Kind::StartContainer => "startContainer",
            Kind::Poststart => "poststart",
            Kind::Poststop => "poststop",
        }
    }

    /// The hooks of this kind.
    pub fn of<'a, 'b>(self, hooks: &'b Hooks<'a>) -> &'b [Hook<'a>] {
        match self {
            Kind::Prestart => &hooks.prestart,
            Kind::CreateRuntime => &hooks.create_runtime,
            Kind::CreateContainer => &hooks.create_container,
            Kind::StartContainer => &hooks.start_container,
            Kind::Poststart => &hooks.poststart,
            Kind::Poststop => &hooks.poststop,
        }
    }

    /// The config field of one hook.
    pub fn field(self, index: usize) -> ConfigPath {
        ConfigPath::of("hooks").then(self.name()).index(index)
    }
}

/// All hooks are judged when the container is created, also those that run much later.
fn judge(draft: &mut Draft<'_>, hooks: &Hooks<'_>) {
    for kind in Kind::ALL {
        for (index, hook) in kind.of(hooks).iter().enumerate() {
            draft.note(judge_one(kind.field(index), hook));
        }
    }
}

fn judge_one(at: ConfigPath, hook: &Hook<'_>) -> Result<(), PlanError> {
    if !hook.path.starts_with('/') {
        return Err(PlanError::invalid(at.then("path"), "must be absolute"));
    }
    let strings = hook.args.iter().chain(hook.env.iter().flatten());
    if let Some(text) = std::iter::once(&hook.path)
        .chain(strings)
        .find(|text| text.contains('\0'))
    {
        return Err(PlanError::invalid(at, format!("{text:?} holds a NUL byte")));
    }
    if hook.timeout.is_some_and(|timeout| timeout <= 0) {
        return Err(PlanError::invalid(
            at.then("timeout"),
            "must be greater than zero",
        ));
    }
    Ok(())
}

/// Hooks that run between the mounts and the change of root.
pub(crate) fn before_root(draft: &mut Draft<'_>, wanted: &Namespaces) -> Result<(), PlanError> {
    let Some(hooks) = &draft.spec.hooks else {
        return Ok(());
    };
    judge(draft, hooks);
    let inside = !hooks.create_container.is_empty() || !hooks.start_container.is_empty();
    if inside && wanted.has(NEWUSER) && !draft.host.privileged {
        // Without privileges the runtime cannot open the namespaces of an undumpable process: it is given them.
        let flags = wanted.all();
        let at = ConfigPath::of("hooks");
        let first = draft.slots(&at, flags.count_ones())?;
        draft.child(&at, ShareNamespaces { flags, first });
    }
    for kind in [Kind::Prestart, Kind::CreateRuntime, Kind::CreateContainer] {
        for (index, hook) in kind.of(hooks).iter().enumerate() {
            let path = hook.path.to_string();
            draft.runtime(
                &kind.field(index),
                RuntimeStep::RunHook { kind, index, path },
            );
        }
    }
    Ok(())
}
