//! `hooks`: where they run in the order of things (runtime.md, "Lifecycle").

use init::step::ShareNamespaces;
use kernel::namespace::flags::NEWUSER;
use spec::{ConfigPath, Hook, Hooks};

use super::draft::without_nul;
use super::{Draft, Namespaces, PlanError, RuntimeStep};

/// The six points of the life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of config.md")]
pub enum HookKind {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

impl HookKind {
    /// All, in the order of the life cycle.
    pub const ALL: [HookKind; 6] = [
        HookKind::Prestart,
        HookKind::CreateRuntime,
        HookKind::CreateContainer,
        HookKind::StartContainer,
        HookKind::Poststart,
        HookKind::Poststop,
    ];

    /// The name in the config.
    pub fn name(self) -> &'static str {
        match self {
            HookKind::Prestart => "prestart",
            HookKind::CreateRuntime => "createRuntime",
            HookKind::CreateContainer => "createContainer",
            HookKind::StartContainer => "startContainer",
            HookKind::Poststart => "poststart",
            HookKind::Poststop => "poststop",
        }
    }

    /// The hooks of this kind.
    pub fn of<'a, 'b>(self, hooks: &'b Hooks<'a>) -> &'b [Hook<'a>] {
        match self {
            HookKind::Prestart => &hooks.prestart,
            HookKind::CreateRuntime => &hooks.create_runtime,
            HookKind::CreateContainer => &hooks.create_container,
            HookKind::StartContainer => &hooks.start_container,
            HookKind::Poststart => &hooks.poststart,
            HookKind::Poststop => &hooks.poststop,
        }
    }

    /// The config field of one hook.
    pub fn field(self, index: usize) -> ConfigPath {
        ConfigPath::of("hooks").then(self.name()).index(index)
    }
}

/// All hooks are validated when the container is created, also those that run much later.
fn validate(draft: &mut Draft<'_>, hooks: &Hooks<'_>) {
    for kind in HookKind::ALL {
        for (index, hook) in kind.of(hooks).iter().enumerate() {
            draft.note(validate_one(kind.field(index), hook));
        }
    }
}

fn validate_one(at: ConfigPath, hook: &Hook<'_>) -> Result<(), PlanError> {
    if !hook.path.starts_with('/') {
        return Err(PlanError::invalid(at.then("path"), "must be absolute"));
    }
    without_nul(&at.clone().then("path"), &hook.path)?;
    let env = hook.env.as_deref().unwrap_or_default();
    for (name, list) in [("args", &hook.args[..]), ("env", env)] {
        for (index, text) in list.iter().enumerate() {
            without_nul(&at.clone().then(name).index(index), text)?;
        }
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
pub(crate) fn before_root(draft: &mut Draft<'_>, requested: &Namespaces) -> Result<(), PlanError> {
    let Some(hooks) = &draft.spec.hooks else {
        return Ok(());
    };
    validate(draft, hooks);
    let inside = !hooks.create_container.is_empty() || !hooks.start_container.is_empty();
    if inside && requested.has(NEWUSER) && !draft.host.privileged {
        // Without privileges the runtime cannot open the namespaces of an undumpable process: it is given them.
        let flags = requested.all();
        let at = ConfigPath::of("hooks");
        let first = draft.slots(&at, flags.count_ones())?;
        draft.child(&at, ShareNamespaces { flags, first });
    }
    for kind in [
        HookKind::Prestart,
        HookKind::CreateRuntime,
        HookKind::CreateContainer,
    ] {
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
