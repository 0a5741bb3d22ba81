//! `hooks` (config.md, "POSIX-platform Hooks").

use crate::Text;
use crate::object::object;

/// `hooks`, one list for each point of the life cycle.
#[derive(Clone, Debug, Default)]
pub struct Hooks<'a> {
    /// Deprecated; as `createRuntime`, before it.
    pub prestart: Vec<Hook<'a>>,
    /// After the namespaces exist, before pivot_root; in the runtime's namespaces.
    pub create_runtime: Vec<Hook<'a>>,
    /// As `createRuntime`, after it; in the container's namespaces.
    pub create_container: Vec<Hook<'a>>,
    /// At start, before the program; in the container.
    pub start_container: Vec<Hook<'a>>,
    /// After the program has been started; in the runtime's namespaces.
    pub poststart: Vec<Hook<'a>>,
    /// After the container was deleted; in the runtime's namespaces.
    pub poststop: Vec<Hook<'a>>,
}

object! { Hooks<'a> in "hooks" {
    "prestart" => prestart: optional,
    "createRuntime" => create_runtime: optional,
    "createContainer" => create_container: optional,
    "startContainer" => start_container: optional,
    "poststart" => poststart: optional,
    "poststop" => poststop: optional,
} }

/// One program.
#[derive(Clone, Debug, Default)]
pub struct Hook<'a> {
    /// Absolute path.
    pub path: Text<'a>,
    /// Arguments, the name first; passed as they are.
    pub args: Vec<Text<'a>>,
    /// The whole environment, if it is given: none is not the same as an empty one.
    pub env: Option<Vec<Text<'a>>>,
    /// Seconds after which it is killed.
    pub timeout: Option<i64>,
}

object! { Hook<'a> in "hooks.*[]" {
    "path" => path: required,
    "args" => args: optional,
    "env" => env: optional,
    "timeout" => timeout: optional,
} }
