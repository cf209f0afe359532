package bench

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Section is the rows of one subject, in the order in which they are printed.
type Section struct {
	Name string
	Rows []Row
	Note string // how it was measured, as prose under the rows
}

// Table renders sections as one Markdown table, aligned so that it reads as text too, with the notes below it.
func Table(sections []Section) string {
	lines := [][]string{{"what", "rsagent", "reference", "", "ratio", "goal", "", "samples"}}
	for _, s := range sections {
		for _, r := range s.Rows {
			lines = append(lines, r.cells())
		}
	}
	var out strings.Builder
	widths := widthsOf(lines)
	for i, cells := range lines {
		writeLine(&out, cells, widths, " ")
		if i == 0 {
			writeLine(&out, make([]string, len(cells)), widths, "-")
		}
	}
	for _, s := range sections {
		if s.Note != "" {
			fmt.Fprintf(&out, "\n**%s.** %s\n", s.Name, s.Note)
		}
	}
	return out.String()
}

func (r Row) cells() []string {
	ours, reference, ratio, samples := "", "", "", ""
	if r.Missing == "" && r.Ours.Samples > 0 {
		ours, samples = r.Unit.text(r.Ours.Value), fmt.Sprint(r.Ours.Samples)
	}
	if r.Reference.Samples > 0 {
		reference, samples = r.Unit.text(r.Reference.Value), fmt.Sprintf("%s / %d", samples, r.Reference.Samples)
	}
	if v, ok := r.Ratio(); ok {
		ratio = significant(v)
	}
	return []string{r.What, ours, r.Reference.Name, reference, ratio, r.Goal.text(r.Unit), r.Verdict(), samples}
}

func widthsOf(lines [][]string) []int {
	widths := make([]int, len(lines[0]))
	for _, cells := range lines {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func writeLine(out *strings.Builder, cells []string, widths []int, fill string) {
	out.WriteString("|")
	for i, cell := range cells {
		padding := strings.Repeat(fill, widths[i]-utf8.RuneCountInString(cell))
		out.WriteString(fill + cell + padding + fill + "|")
	}
	out.WriteString("\n")
}
