//! Whose login may go to which upstream.

use super::table::{Table, UpstreamId};

/// Whose credentials a request upstream may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Identity {
    /// The client's own.
    #[default]
    Own,
    /// None: the login that the client keeps for this Host belongs to another upstream.
    Anonymous,
}

impl Identity {
    /// Who a client is for the upstream `chosen`, on a Host that chose `by_host`.
    ///
    /// Engines keep one login per Host, and it is meant for the upstream that the Host chooses, else for those that
    /// [may see](Table::may_see_logins) such logins.
    pub fn of(table: &Table, by_host: Option<UpstreamId>, chosen: UpstreamId) -> Identity {
        let is_meant = match by_host {
            Some(own) => own == chosen,
            None => table.may_see_logins(chosen),
        };
        if is_meant {
            Identity::Own
        } else {
            Identity::Anonymous
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::of(&["docker.io", "ghcr.io", "corp=https://127.0.0.1:5100"])
    }

    #[test]
    fn a_login_for_a_shared_host_goes_where_the_operator_says() {
        let mut table = table();
        let [hub, ghcr, corp] = [0, 1, 2].map(|n| table.ids().nth(n).unwrap());
        let may_see = |table: &Table| {
            [hub, ghcr, corp].map(|id| Identity::of(table, None, id) == Identity::Own)
        };
        assert_eq!(may_see(&table), [true, false, false]);
        table.set_client_logins("docker.io", false).unwrap();
        assert_eq!(may_see(&table), [false, false, false]);
        assert_eq!(table.verifies_logins(), None);
        table.set_client_logins("corp", true).unwrap();
        assert_eq!(may_see(&table), [false, false, true]);
        assert_eq!(table.verifies_logins(), Some(corp));
        table.set_client_logins("docker.io", true).unwrap();
        assert_eq!(may_see(&table), [true, false, true]);
        assert_eq!(Identity::of(&table, Some(ghcr), ghcr), Identity::Own);
        assert_eq!(Identity::of(&table, Some(ghcr), hub), Identity::Anonymous);
    }

    #[test]
    fn a_login_goes_to_the_upstream_that_its_host_chooses() {
        let table = table();
        let [hub, ghcr, corp] = [0, 1, 2].map(|n| table.ids().nth(n).unwrap());
        assert_eq!(Identity::of(&table, None, hub), Identity::Own);
        assert_eq!(Identity::of(&table, None, ghcr), Identity::Anonymous);
        assert_eq!(Identity::of(&table, Some(ghcr), ghcr), Identity::Own);
        assert_eq!(Identity::of(&table, Some(ghcr), hub), Identity::Anonymous);
        assert_eq!(Identity::of(&table, Some(ghcr), corp), Identity::Anonymous);
    }
}
