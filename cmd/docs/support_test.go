package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/support"
)

// The committed documents say what the table says.
func TestDocumentsShowTheTable(t *testing.T) {
	t.Parallel()
	table := support.NewTable()
	whole, err := os.ReadFile(filepath.Join("..", "..", supportDocument))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(wholeTable(table), string(whole)); d != "" {
		t.Errorf("%s is stale, run `make docs` (-want +got):\n%s", supportDocument, d)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := replaceTable(string(readme), shortTable(table))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(readme)); d != "" {
		t.Errorf("the table in README.md is stale, run `make docs` (-want +got):\n%s", d)
	}
}

// Every entry has a row, with its test or its sentence.
func TestWholeTableHasEveryEntry(t *testing.T) {
	t.Parallel()
	table := support.NewTable()
	text := wholeTable(table)
	for _, e := range table.Entries() {
		row := "| " + code(e.Property) + " | " + code(e.Value) + " | " + string(e.Status) + " | "
		row += strings.TrimSpace(code(e.Test) + " " + e.Sentence)
		if !strings.Contains(text, row+" |\n") {
			t.Errorf("no row %q", row)
		}
	}
}

func TestShortTable(t *testing.T) {
	t.Parallel()
	table := support.NewTable()
	text := shortTable(table)
	for _, c := range choices() {
		if values(table, c, support.Acts) == "none" && values(table, c, support.Kept) == "none" {
			t.Errorf("%s: %s of %s has no values", c.title, c.property, c.resource)
		}
	}
	for _, want := range []string{"| Voices | azure, cartesia, deepgram, eleven_labs, flite, kokoro, openai, rime, tty | play_ht, vocode |", "| Webhook events | action, error, insights, message, ", "| Vector databases | none | pinecone |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestReplaceTable(t *testing.T) {
	t.Parallel()
	got, err := replaceTable("a\n"+tableBegin+"\nold\n"+tableEnd+"\nb\n", "new\n")
	if want := "a\n" + tableBegin + "\nnew\n" + tableEnd + "\nb\n"; err != nil || got != want {
		t.Errorf("%v, %q", err, got)
	}
	if _, err := replaceTable("a\n"+tableBegin+"\n", "new\n"); err == nil {
		t.Error("a text without the end of the table is no error")
	}
}

func TestShared(t *testing.T) {
	t.Parallel()
	for want, texts := range map[string][]string{
		"voice_":           {"voice_flite", "voice_tty"},
		"action_":          {"action_dtmf", "action_set_hold", "action_set_x"},
		"":                 {"openai", "azure"},
		"action_trigger_":  {"action_trigger_function_call", "action_trigger_phrase_based"},
		"vector_database_": {"vector_database_pinecone"},
	} {
		if got := shared(texts); got != want {
			t.Errorf("%v share %q, want %q", texts, got, want)
		}
	}
}
