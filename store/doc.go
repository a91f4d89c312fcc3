// Package store stores the nouns of package sidetone in SQLite or Postgres.
//
// One SQL text serves both engines. Transactions belong to one environment and
// every statement in them names it; the few statements that concern several
// environments are methods of Store, one named method each. On Postgres row-level
// security holds every transaction to its environment once more. On SQLite many
// callers share one commit (group commit); on Postgres a write runs at
// REPEATABLE READ and is repeated when it collided. In both cases Write returns
// nil only after the commit reached the disk.
package store
