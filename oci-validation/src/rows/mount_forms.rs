//! B9 in other forms: the same words with a user namespace, without root, and in a user namespace that is joined.

use nix::sched::CloneFlags;
use serde_json::json;

use crate::bundle::{BASE, Bundle, own};
use crate::case::Case;
use crate::container::short;
use crate::namespaces::Holder;
use crate::row::{Row, must, should};
use crate::tree::mount_at;
use crate::verdict::{Verdict, ensure};

const OPTIONS: &str = "config.md#linux-mount-options";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("B9.user-new", OPTIONS, "with a new user namespace the words for new file systems hold", |c| fresh(c, c.bundle().user_namespace())),
    must("B9.user-bind", OPTIONS, "with a new user namespace the words for binds hold", |c| binds(c, c.bundle().user_namespace())),
    must("B9.rootless-new", OPTIONS, "without root the words for new file systems hold", |c| fresh(c, c.bundle().rootless())),
    must("B9.rootless-bind", OPTIONS, "without root the words for binds hold", |c| binds(c, c.bundle().rootless())),
    must("B9.joined-new", OPTIONS, "in a joined user namespace the words for new file systems hold", |c| {
        let (_holder, bundle) = joined(c)?;
        fresh(c, bundle)
    }),
    must("B9.joined-bind", OPTIONS, "in a joined user namespace the words for binds hold", |c| {
        let (_holder, bundle) = joined(c)?;
        binds(c, bundle)
    }),
    should("B11.user", OPTIONS, "with a new user namespace the recursive words hold", |c| recursive(c, c.bundle().user_namespace())),
    should("B11.rootless", OPTIONS, "without root the recursive words hold", |c| recursive(c, c.bundle().rootless())),
    should("B11.joined", OPTIONS, "in a joined user namespace the recursive words hold", |c| {
        let (_holder, bundle) = joined(c)?;
        recursive(c, bundle)
    }),
];

/// A bundle that joins a user namespace whose root is [`BASE`].
pub(crate) fn joined(c: &Case) -> Verdict<(Holder, Bundle<'_>)> {
    let holder = Holder::new(c, CloneFlags::CLONE_NEWUSER)?;
    let entry = json!({"type": "user", "path": holder.path("user")});
    let bundle = c.bundle().add("/linux/namespaces", entry);
    own(&bundle.root(), BASE);
    Ok((holder, bundle))
}

/// Words that are set, each on a mount of its own, and the flag that shows them.
fn check(
    mut bundle: Bundle,
    words: &[&str],
    mount: impl Fn(&str, &str) -> serde_json::Value,
) -> Verdict {
    for word in words {
        bundle = bundle.push("/mounts", mount(&format!("/tmp/{word}"), word));
    }
    let seen = bundle.see("cat /proc/self/mountinfo")?;
    for word in words {
        let found = mount_at(&seen.text, &format!("/tmp/{word}"))?;
        let flag = word
            .strip_prefix('r')
            .filter(|_| word.len() > 2 && *word != "relatime");
        let flag = flag.unwrap_or(word);
        let good = match flag {
            "strictatime" => !found.has("relatime") && !found.has("noatime"),
            "sync" | "dirsync" | "lazytime" => found.data_has(flag),
            _ => found.has(flag),
        };
        ensure(good, || {
            format!("{word}: it is {}", short(&format!("{found:?}")))
        })?;
    }
    Ok(())
}

fn fresh(_: &Case, bundle: Bundle) -> Verdict {
    let words = [
        "ro",
        "nosuid",
        "nodev",
        "noexec",
        "noatime",
        "nodiratime",
        "relatime",
        "strictatime",
    ];
    check(
        bundle,
        &words,
        |at, word| json!({"destination": at, "type": "tmpfs", "source": "tmpfs", "options": [word]}),
    )
}

fn binds(c: &Case, bundle: Bundle) -> Verdict {
    let data = c.folder("data")?;
    let words = ["ro", "nosuid", "nodev", "noexec"];
    check(
        bundle,
        &words,
        |at, word| json!({"destination": at, "type": "none", "source": data, "options": ["rbind", word]}),
    )
}

fn recursive(c: &Case, bundle: Bundle) -> Verdict {
    let data = c.folder("data")?;
    let words = ["rro", "rnosuid", "rnodev", "rnoexec"];
    check(
        bundle,
        &words,
        |at, word| json!({"destination": at, "type": "none", "source": data, "options": ["rbind", word]}),
    )
}
