package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store"
)

// Finding is the result of one check.
type Finding struct {
	// Name says what was checked.
	Name string
	// Detail is what was found.
	Detail string
	// Fix says what to do; empty when nothing has to be done.
	Fix string
	// Optional findings do not keep the server from starting.
	Optional bool
	// inUse says that another program has the address.
	inUse bool
}

// Doctor checks what a server with this configuration needs, its vendors, and the
// stored agents. It changes nothing but a probe file in the data directory, and what the
// environments' default connections show of their vendors. Beside a
// server that runs and is ready, what that one holds is in order.
func Doctor(ctx context.Context, c Config) []Finding {
	there := beside(ctx, c.Data)
	database := checkDatabase(ctx, c)
	all := []Finding{
		checkData(c.Data, there),
		checkDisk(c.Data),
		database,
		checkMasterKey(c),
		there.held(c.HTTP.Addr, checkTCP(ctx, "http.addr", c.HTTP.Addr)),
		there.held(c.SIP.Addr, checkTCP(ctx, "sip.addr (TCP)", c.SIP.Addr)),
		there.held(c.SIP.Addr, checkUDP(ctx, "sip.addr (UDP)", c.SIP.Addr)),
		checkRTP(ctx, c.SIP),
		checkProgram("synthesiser", c.Speech.Flite, "flite"),
		checkProgram("recogniser", c.Speech.Pocketsphinx, "pocketsphinx"),
		checkModel(),
		checkEncoder(c.Recordings.Lame),
		checkSpeech(ctx, c.Speech),
		checkFiles(c.Calls.Max),
	}
	all = append(all, checkTrunkSettings(c.SIP)...)
	all = append(all, checkPublic(ctx, c.SIP)...)
	all = append(all, checkLines(ctx, c.SIP, there)...)
	all = append(all, checkVendors(ctx, c, database)...)
	return append(all, checkAgents(ctx, c, database)...)
}

// neighbour is the server that holds the data directory; the zero neighbour is
// none.
type neighbour struct {
	ports []string
	ask   *client.Client
}

// besideTimeout bounds the question to a running server.
const besideTimeout = 10 * time.Second

// beside returns the server that holds the data directory, if it is ready.
func beside(ctx context.Context, dir string) neighbour {
	if _, err := os.Stat(dir); err != nil {
		return neighbour{}
	}
	lock, err := lockData(dir)
	if err == nil {
		_ = lock.Close() // releases the lock
	}
	there, readErr := readControl(dir)
	if !errors.Is(err, errInUse) || readErr != nil {
		return neighbour{}
	}
	ctx, cancel := context.WithTimeout(ctx, besideTimeout)
	defer cancel()
	ask := there.client()
	if err := ask.Ready(ctx); err != nil {
		return neighbour{}
	}
	return neighbour{[]string{portOf(strings.TrimPrefix(there.HTTP, "http://")), portOf(there.SIP), portOf(there.SIPTLS)}, ask}
}

// portOf is the port of an address.
func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr) // what is no address has none
	return port
}

// held says that an address is taken by the neighbour, if that is all that is
// found of it.
func (n neighbour) held(addr string, f Finding) Finding {
	if f.inUse && slices.Contains(n.ports, portOf(addr)) {
		return Finding{Name: f.Name, Detail: addr + " is served by the running server"}
	}
	return f
}

func checkData(dir string, there neighbour) Finding {
	f := Finding{Name: "data directory", Detail: dir + " can be written"}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Finding{Name: f.Name, Detail: err.Error(), Fix: "choose another directory with --data, or make this one"}
	}
	probe := filepath.Join(dir, ".doctor")
	if err := os.WriteFile(probe, []byte("probe"), 0o600); err != nil {
		return Finding{Name: f.Name, Detail: err.Error(), Fix: "give this user the right to write there"}
	}
	_ = os.Remove(probe) // left behind it does no harm
	lock, err := lockData(dir)
	switch {
	case errors.Is(err, errInUse) && len(there.ports) > 0:
		return Finding{Name: f.Name, Detail: err.Error() + ", a server that is ready"}
	case err != nil:
		return Finding{Name: f.Name, Detail: err.Error(), Fix: "stop that process, or choose another directory with --data", Optional: true}
	}
	_ = lock.Close() // releases the lock
	return f
}

// checkMasterKey looks at the key of stored secrets.
func checkMasterKey(c Config) Finding {
	f := Finding{Name: "master key"}
	masters, err := newMasterKeys(c)
	if err != nil {
		return Finding{Name: f.Name, Detail: err.Error(), Fix: "set it to keys as `openssl rand -base64 32` prints them"}
	}
	keys, err := masters.Masters()
	switch {
	case errors.Is(err, fs.ErrNotExist) && masters.own:
		f.Detail = "the first start makes " + masters.path
		return f
	case err != nil:
		return Finding{Name: f.Name, Detail: err.Error(), Fix: "put the key there: without it stored secrets cannot be read (docs/secrets.md)"}
	case masters.fixed != nil:
		f.Detail = masterVariable + ", id " + keys[0].ID()
		return f
	}
	f.Detail = masters.path + ", id " + keys[0].ID()
	if info, err := os.Stat(masters.path); err == nil && info.Mode().Perm()&0o077 != 0 {
		f.Fix, f.Optional = "chmod 600 "+masters.path+": others can read it", true
	}
	return f
}

func checkDisk(dir string) Finding {
	f := Finding{Name: "disk space"}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Finding{Name: f.Name, Detail: err.Error(), Optional: true, Fix: "look at the file system"}
	}
	free := st.Bavail * uint64(st.Bsize) >> 20
	f.Detail = fmt.Sprintf("%d MiB free", free)
	if free < 1024 {
		f.Fix, f.Optional = "free some space: an hour of recording takes 230 MiB", true
	}
	return f
}

// checkDatabase reaches the database and asks whether it keeps environments
// apart by itself. It changes nothing.
func checkDatabase(ctx context.Context, c Config) Finding {
	const name = "database"
	if c.Database.URL == "" {
		return checkSQLite(ctx, c)
	}
	s, err := store.Open(ctx, store.Config{URL: c.StoreURL()})
	if err != nil {
		return Finding{Name: name, Detail: err.Error(), Fix: "correct database.url, or start Postgres"}
	}
	schema := checkSchema(ctx, s)
	err = s.Isolated(ctx)
	if err = errors.Join(err, s.Close()); err != nil {
		return Finding{Name: name, Detail: err.Error(), Fix: "make the two roles of docs/postgres.md"}
	}
	schema.Detail = "Postgres answers, and its role is bound by row-level security; " + schema.Detail
	return schema
}

// checkSQLite looks into the database of the data directory, if there is one.
func checkSQLite(ctx context.Context, c Config) Finding {
	f := Finding{Name: "database", Detail: "SQLite; sidetone serve makes it"}
	path := filepath.Join(c.Data, "sidetone.db")
	if _, err := os.Stat(path); err != nil {
		return f
	}
	lock, err := lockData(c.Data)
	if err != nil {
		f.Detail = "SQLite, in use by a server"
		return f
	}
	defer func() { _ = lock.Close() }() // releases the lock
	s, err := store.Open(ctx, store.Config{URL: c.StoreURL()})
	if err != nil {
		return Finding{Name: f.Name, Detail: err.Error(), Fix: "restore " + path + " from a backup, or move it away"}
	}
	f = checkSchema(ctx, s)
	if err := s.Close(); err != nil && f.Fix == "" {
		return Finding{Name: f.Name, Detail: err.Error(), Fix: "restore " + path + " from a backup, or move it away"}
	}
	f.Detail = "SQLite in " + path + "; " + f.Detail
	return f
}

// checkSchema compares the schema with what this program needs.
func checkSchema(ctx context.Context, s *store.Store) Finding {
	have, want, err := s.SchemaVersion(ctx)
	f := Finding{Name: "database", Detail: fmt.Sprintf("schema %d is up to date", have)}
	switch {
	case err != nil:
		f.Detail, f.Optional = err.Error(), true
		f.Fix = "sidetone migrate, or the next start of sidetone serve, brings it up to date"
	case have < want:
		f.Detail, f.Optional = fmt.Sprintf("schema %d, this program has %d", have, want), true
		f.Fix = "sidetone migrate, or the next start of sidetone serve, brings it up to date"
	case have > want:
		f.Detail = fmt.Sprintf("schema %d is of a later program than this one, which has %d", have, want)
		f.Fix = "run the program that migrated it, or a later one"
	}
	return f
}

// rtpProbes bounds the media ports that are tried.
const rtpProbes = 1000

// checkRTP tries the media ports, some of a wide range.
func checkRTP(ctx context.Context, c SIPConfig) Finding {
	f := Finding{Name: "media ports", Detail: "the system chooses"}
	if c.RTPMin == 0 {
		return f
	}
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return Finding{Name: f.Name, Detail: err.Error(), Fix: "correct sip.addr"}
	}
	tried, busy := 0, 0
	var why error
	for port := c.RTPMin; port <= c.RTPMax; port += 1 + (c.RTPMax-c.RTPMin)/rtpProbes {
		var lc net.ListenConfig
		l, err := lc.ListenPacket(ctx, "udp", net.JoinHostPort(host, strconv.Itoa(port)))
		if tried++; err != nil {
			busy, why = busy+1, err
			continue
		}
		_ = l.Close() // only a probe
	}
	f.Detail = fmt.Sprintf("%d of %d tried between %d and %d are free", tried-busy, tried, c.RTPMin, c.RTPMax)
	if busy > 0 {
		f.Detail += ": " + why.Error()
		f.Fix, f.Optional = "other programs use them: choose another range with sip.rtp_min and sip.rtp_max", busy < tried
	}
	return f
}

func checkTCP(ctx context.Context, name, addr string) Finding {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return portFinding(name, err)
	}
	_ = l.Close() // only a probe
	return Finding{Name: name, Detail: addr + " is free"}
}

func checkUDP(ctx context.Context, name, addr string) Finding {
	var lc net.ListenConfig
	l, err := lc.ListenPacket(ctx, "udp", addr)
	if err != nil {
		return portFinding(name, err)
	}
	_ = l.Close() // only a probe
	return Finding{Name: name, Detail: addr + " is free"}
}

func portFinding(name string, err error) Finding {
	f := Finding{Name: name, Detail: err.Error(), Fix: "correct the address"}
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		f.inUse, f.Fix = true, "another program listens there (perhaps a running server): stop it or choose another port"
	case errors.Is(err, unix.EACCES):
		f.Fix = "ports below 1024 need root or CAP_NET_BIND_SERVICE"
	}
	return f
}

func checkProgram(name, program, pkg string) Finding {
	path, err := exec.LookPath(program)
	if err != nil {
		return Finding{Name: name, Detail: err.Error(), Optional: true,
			Fix: "install it: apt-get install --no-install-recommends " + pkg + " (or use voice_tty, which needs no program)"}
	}
	return Finding{Name: name, Detail: path}
}

// checkEncoder says in which form recordings are answered.
func checkEncoder(program string) Finding {
	const name = "recordings"
	if program == "" {
		return Finding{Name: name, Detail: "answered as WAV: recordings.lame is empty", Optional: true}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return Finding{Name: name, Detail: "answered as WAV: " + err.Error(), Optional: true,
			Fix: "to answer them as MP3, install lame: apt-get install --no-install-recommends lame"}
	}
	return Finding{Name: name, Detail: "answered as MP3, made by " + path + "; as WAV to who asks for audio/wav"}
}

func checkModel() Finding {
	const dir = "/usr/share/pocketsphinx/model/en-us"
	if _, err := os.Stat(dir); err != nil {
		return Finding{Name: "recogniser's language", Detail: err.Error(), Optional: true,
			Fix: "install it: apt-get install --no-install-recommends pocketsphinx-en-us"}
	}
	return Finding{Name: "recogniser's language", Detail: dir}
}

// filesPerCall is how many descriptors a call uses at most.
const filesPerCall = 8

func checkFiles(calls int) Finding {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return Finding{Name: "open files", Detail: err.Error(), Optional: true, Fix: "look at ulimit -n"}
	}
	f := Finding{Name: "open files", Detail: fmt.Sprintf("%d allowed", limit.Cur), Optional: true}
	if need := uint64(calls)*filesPerCall + 64; limit.Cur < need {
		f.Fix = fmt.Sprintf("raise ulimit -n to %d, or lower calls.max", need)
	}
	return f
}
