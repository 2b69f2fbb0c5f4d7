//! The incidents that ship with chaosproxy.

/// A profile that ships with chaosproxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Every shipped profile; a test compares this table with the folder.
pub const SHIPPED: &[Shipped] = &[
    Shipped {
        name: "bad-reload",
        text: include_str!("../../profiles/bad-reload.yaml"),
    },
    Shipped {
        name: "hung-auth",
        text: include_str!("../../profiles/hung-auth.yaml"),
    },
    Shipped {
        name: "hung-auth-quiet",
        text: include_str!("../../profiles/hung-auth-quiet.yaml"),
    },
    Shipped {
        name: "orm-break",
        text: include_str!("../../profiles/orm-break.yaml"),
    },
    Shipped {
        name: "standby-overload",
        text: include_str!("../../profiles/standby-overload.yaml"),
    },
];

/// The shipped profile of this name.
pub fn find(name: &str) -> Option<Shipped> {
    SHIPPED.iter().copied().find(|shipped| shipped.name == name)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn the_table_holds_what_the_folder_holds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
        let files: BTreeSet<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let table: BTreeSet<String> = SHIPPED
            .iter()
            .map(|shipped| format!("{}.yaml", shipped.name))
            .collect();
        assert_eq!(files, table);
    }
}
