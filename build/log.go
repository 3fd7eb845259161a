package build

import "fmt"

func tell(f func(string), format string, args []any) {
	if f != nil {
		f(fmt.Sprintf(format, args...))
	}
}

func (l *Log) warn(format string, args ...any) { tell(l.Warn, format, args) }
func (l *Log) note(format string, args ...any) { tell(l.Note, format, args) }
func (l *Log) say(format string, args ...any)  { tell(l.Say, format, args) }

func (l *Log) progress(what string, done, total int64) {
	if l.Progress != nil {
		l.Progress(what, done, total)
	}
}

func (l *Log) finish() {
	if l.Finish != nil {
		l.Finish()
	}
}
