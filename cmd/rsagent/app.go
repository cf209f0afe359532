package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"rsagent/agent"
	"rsagent/agent/config"
	"rsagent/agent/linux"
)

// The Nagios codes, used by every command in every output format.
const (
	exitOK = iota
	exitWarning
	exitCritical
	exitUnknown
)

// configErrorCode is what the daemon ends with when its config is refused: under
// systemd EX_CONFIG (sysexits.h), since starting it again would be in vain, and
// the unit says so.
func configErrorCode() int {
	if os.Getenv("NOTIFY_SOCKET") != "" {
		return 78
	}
	return exitUnknown
}

// app is one invocation.
type app struct {
	stdout, stderr *os.File
	exit           int // of a command that did its work, or of an error that is not exitUnknown

	configPath string
	vips       []string
	stateDir   string
	logLevel   string
	logFormat  string
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "rsagent",
		Short: "Keep the real-server side of LVS/TUN in order",
		Long: `rsagent brings a real server of LVS/TUN (IP-in-IP) into service and keeps it
there: the ipip module, tunl0, the VIPs, and the ARP and rp_filter settings by
their effective values. It reports what drifted and repairs it.

The whole classic recipe is:  rsagent apply --vip 172.25.84.100

Exit codes: 0 in order, 1 warning, 2 critical (the path is broken or would be),
3 could not tell (not privileged, bad config, bad usage).`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		// ours are hints, see suggestions
		DisableSuggestions: true,
	}
	f := root.PersistentFlags()
	f.StringVar(&a.configPath, "config", "/etc/rsagent/rsagent.yaml", "config `FILE`")
	f.StringArrayVar(&a.vips, "vip", nil, "the VIP with this `ADDRESS`, instead of a config file (repeatable)")
	f.StringVar(&a.stateDir, "state-dir", "/var/lib/rsagent", "`DIR` for what was found before the first change, a drain, and the ledger of drifts")
	f.StringVar(&a.logLevel, "log-level", "", "`LEVEL` of the log: debug, info, warning or error (default: the config's, info)")
	f.StringVar(&a.logFormat, "log-format", "", "`FORMAT` of the log: text or json (default: the config's, text)")
	root.AddCommand(a.runCommand(), a.checkCommand(), a.applyCommand(), a.teardownCommand(),
		a.statusCommand(), a.probeCommand(), a.drainCommand(), a.undrainCommand(), a.configCommand(), a.versionCommand())
	root.SetHelpCommand(helpCommand())
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return hinted(err, "see "+c.CommandPath()+" --help")
	})
	return root
}

// noArgs refuses arguments.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.HasSubCommands() {
		return hinted(fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath()), suggestions(c, args)...)
	}
	return hinted(fmt.Errorf("%s takes no arguments, and there is %q", c.CommandPath(), args[0]), "see "+c.CommandPath()+" --help")
}

// helpCommand is cobra's, but for a command that does not exist, which is an
// error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("unknown command %q for %q", rest[0], about.CommandPath())
			}
			if err != nil {
				return hinted(err, suggestions(c.Root(), args)...)
			}
			return about.Help()
		},
	}
}

// load returns the config from --vip or the file, with the flags applied.
func (a *app) load(c *cobra.Command) (config.Config, error) {
	cfg, err := a.source(c)
	if err != nil {
		return cfg, err
	}
	if a.logLevel != "" {
		cfg.Log.Level = a.logLevel
	}
	if a.logFormat != "" {
		cfg.Log.Format = a.logFormat
	}
	// A flag is checked here, like a key in the file, and not when it is used.
	return cfg, configureLog(logrus.New(), cfg.Log.Level, cfg.Log.Format)
}

func (a *app) source(c *cobra.Command) (config.Config, error) {
	if len(a.vips) > 0 {
		if c.Flags().Changed("config") {
			return config.Config{}, errors.New("--vip and --config: use one of them, --vip stands for a whole config")
		}
		return config.FromVIPs(a.vips)
	}
	cfg, err := config.Load(a.configPath)
	if errors.Is(err, fs.ErrNotExist) {
		err = hinted(err, "write one: rsagent config example", "or name the VIPs: rsagent "+c.Name()+" --vip 172.25.84.100")
	}
	return cfg, err
}

// store returns the baseline's place. With repair, a damaged file is set aside
// and said so; without, it is an error.
func (a *app) store(repair bool) linux.FileStore {
	s := linux.FileStore{Dir: a.stateDir}
	if repair {
		s.Unsaved = &linux.Unsaved{Warn: func(why error) {
			a.complain(fmt.Errorf("%w; the values found before the first change are not saved, and rsagent teardown cannot restore them", why))
		}}
		s.Damaged = func(aside string, why error) {
			a.complain(fmt.Errorf("%w; baseline damaged, moved to %s; teardown cannot restore original values", why, aside))
		}
	}
	return s
}

// privileged returns an error if this process may not change the network.
func privileged(command string) error {
	if linux.CanChange() {
		return nil
	}
	return hinted(fmt.Errorf("%s changes the network and needs CAP_NET_ADMIN", command), "run it as root: sudo rsagent "+command)
}

// conflict turns VIPs that cannot be VIPs on this host into one error.
func conflict(want agent.Desired, got agent.Observed) error {
	if c := agent.Conflicts(want, got); len(c) > 0 {
		return errors.New(strings.Join(c, "\n"))
	}
	return nil
}

// hintError carries advice for the person at the terminal. Hints are added
// here and nowhere below.
type hintError struct {
	error
	hints []string
}

func hinted(err error, hints ...string) error { return hintError{err, hints} }

func (h hintError) Unwrap() error { return h.error }

// complain prints an error, each of its lines with the program's name, and its
// hints.
func (a *app) complain(err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(a.stderr, "rsagent: %s\n", strings.TrimRight(line, "\n"))
	}
	var h hintError
	if errors.As(err, &h) {
		for _, hint := range h.hints {
			fmt.Fprintf(a.stderr, "rsagent: hint: %s\n", hint)
		}
	}
}

// exitCode maps a state to the Nagios code.
func exitCode(s agent.Severity) int {
	switch s {
	case agent.OK:
		return exitOK
	case agent.Warning:
		return exitWarning
	case agent.Critical:
		return exitCritical
	}
	return exitUnknown
}

// node is the name of this host as reports give it.
func node() string {
	name, err := os.Hostname()
	if err != nil {
		return "?"
	}
	return name
}
