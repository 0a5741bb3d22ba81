//! `rdma`: handles and objects of host channel adapters.

use spec::{ConfigPath, RdmaLimit, Text};

use crate::SettingError;
use crate::error::wrong;
use crate::setting::Draft;

/// v1 and v2 share the file. What is not given keeps its value.
pub(crate) fn compile(
    draft: &mut Draft<'_>,
    limits: &[(Text<'_>, RdmaLimit)],
    at: &ConfigPath,
) -> Result<(), SettingError> {
    for (device, limit) in limits {
        let at = at.clone().key(device);
        if device.is_empty() || device.bytes().any(|b| b.is_ascii_whitespace() || b == 0) {
            return wrong(&at, "is not the name of a device");
        }
        let mut value = device.to_string();
        if let Some(handles) = limit.hca_handles {
            value += &format!(" hca_handle={handles}");
        }
        if let Some(objects) = limit.hca_objects {
            value += &format!(" hca_object={objects}");
        }
        if limit.hca_handles.is_none() && limit.hca_objects.is_none() {
            return wrong(&at, "needs hcaHandles or hcaObjects");
        }
        draft.dialect("rdma", &at)?;
        draft
            .write(&at, "rdma", "rdma.max", value)
            .line(device, format!("{device} hca_handle=max hca_object=max"));
    }
    Ok(())
}
