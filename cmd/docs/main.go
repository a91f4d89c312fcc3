// Command docs writes what the documents show of the program itself: the tables of
// package support and of the drivers, and the picture of a call. `make docs` and `make picture` run it
// in the repository's root.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

const usage = "usage: docs support, docs vendors, or docs picture EVENTS RECORDING"

// run writes the documents that args name into the current directory.
func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "support":
		return writeSupport(".")
	case len(args) == 1 && args[0] == "vendors":
		return writeVendors(".")
	case len(args) == 3 && args[0] == "picture":
		return writePicture(pictureFile, args[1], args[2])
	}
	return errors.New(usage)
}
