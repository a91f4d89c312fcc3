package api

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
)

// exportPage is how many calls are read at a time.
const exportPage = 100

// callWriter writes calls in one format.
type callWriter interface {
	begin() error
	write(v view, c sidetone.Call) error
}

// exportCalls streams the calls that the filters select, in order, as CSV or JSON Lines. An
// error after the first line breaks the connection off, so that nobody takes a part for the
// whole.
func (s *server) exportCalls(w http.ResponseWriter, r *request) error {
	q, err := pageQuery(r.query)
	if err != nil {
		return err
	}
	q.Page, q.Size, q.Cursor, q.Uncounted = 1, exportPage, "", true
	v := r.view.item()
	v.profile = dialect.Fluents() // an export is the same for all clients
	page, err := s.callsPage(r, q, v)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(timely{w}, 32<<10)
	var calls callWriter = jsonLines{out}
	kind, name := "application/x-ndjson", "calls.jsonl"
	if r.query.Get("format") == "csv" {
		calls, kind, name = &csvLines{csv.NewWriter(out)}, "text/csv; charset=utf-8", "calls.csv"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Cache-Control", "private, no-store")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err = calls.begin(); err == nil {
		err = s.exportPages(r, q, page, calls)
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		if r.ctx.Err() == nil {
			s.Log.Warn("export calls", slog.Any("error", err))
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// viewedPage is a page of calls and how they are shown.
type viewedPage struct {
	sidetone.Page[sidetone.Call]
	view view
}

// exportPages writes a page and those after it.
func (s *server) exportPages(r *request, q sidetone.PageQuery, page viewedPage, calls callWriter) (err error) {
	for {
		for _, c := range page.Items {
			if err := calls.write(page.view, c); err != nil {
				return err
			}
		}
		if !page.HasMore {
			return nil
		}
		q.Page, q.Cursor = 0, page.NextCursor
		if page, err = s.callsPage(r, q, page.view); err != nil {
			return err
		}
	}
}

// callsPage reads one page.
func (s *server) callsPage(r *request, q sidetone.PageQuery, v view) (page viewedPage, err error) {
	page.view = v
	err = s.read(r, func(w work) error {
		if page.Page, err = w.tx.Calls(q); err != nil {
			return err
		}
		for _, c := range page.Items {
			if err := w.loadConnection(&page.view, c.ConnectionID); err != nil {
				return err
			}
		}
		return nil
	})
	return page, err
}

// timely writes to a client, each time within a time.
type timely struct{ w http.ResponseWriter }

// Write implements io.Writer.
func (t timely) Write(b []byte) (int, error) {
	_ = http.NewResponseController(t.w).SetWriteDeadline(time.Now().Add(writeWithin)) // a recorder in a test has none
	return t.w.Write(b)
}

// jsonLines writes calls as lists show them, one a line.
type jsonLines struct{ out io.Writer }

func (jsonLines) begin() error { return nil }

func (j jsonLines) write(v view, c sidetone.Call) error {
	line, err := wire.Encode(renderCall(v, c, "", nil))
	if err == nil {
		_, err = j.out.Write(append(line, '\n'))
	}
	return err
}

// csvLines writes calls as a table for spreadsheets.
type csvLines struct{ out *csv.Writer }

// csvColumns are its columns.
func csvColumns() []string {
	return []string{"id", "direction", "from_number", "to_number", "agent", "status", "stage_outcome", "end_reason", "error_message", "created_at", "start_time", "end_time",
		"duration_seconds", "do_not_call", "summary", "success_score", "successful", "sentiment", "insights_status", "insights_error", "insights", "transcript"}
}

func (c *csvLines) begin() error { return c.put(csvColumns()) }

// put writes a line through to the buffer below.
func (c *csvLines) put(line []string) error {
	if err := c.out.Write(line); err != nil {
		return err
	}
	c.out.Flush()
	return c.out.Error()
}

func (c *csvLines) write(_ view, call sidetone.Call) error {
	direction, duration := "inbound", ""
	if call.Outgoing {
		direction = "outbound"
	}
	if !call.Started.IsZero() && !call.Ended.IsZero() {
		duration = strconv.FormatFloat(call.Ended.Sub(call.Started).Seconds(), 'f', 3, 64)
	}
	score, successful := "", ""
	if s, ok := call.Insights.Success(); ok {
		score, successful = strconv.Itoa(s.Score), strconv.FormatBool(s.Successful)
	}
	insights := cmp.Or(call.Insights, &sidetone.Insights{})
	return c.put([]string{call.ID, direction, call.FromNumber, call.ToNumber, call.AgentID, string(call.Status), string(call.Outcome), call.EndReason, cell(call.ErrorMessage),
		instant(call.Created), instant(call.Started), instant(call.Ended), duration, call.DoNotCall, cell(insights.Summary()), score, successful, insights.Sentiment(),
		string(insights.State), cell(insights.Failure), cell(valuesOf(insights)), cell(call.Transcript)})
}

// valuesOf are the values of all insights by name, as JSON; "" for none.
func valuesOf(i *sidetone.Insights) string {
	values := map[string]json.RawMessage{}
	for _, r := range i.Results {
		if r.Value != nil {
			values[r.Name] = r.Value
		}
	}
	if len(values) == 0 {
		return ""
	}
	text, _ := json.Marshal(values) // values are JSON
	return string(text)
}

// instant is a time; "" for none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// cell is a text that a caller or a model may have made: what spreadsheets would take for a
// formula gets an apostrophe in front, see
// https://owasp.org/www-community/attacks/CSV_Injection.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
