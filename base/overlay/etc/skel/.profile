# Read by every login shell that knows POSIX.

PATH=@IMAGE_PATH@
MANPATH=@IMAGE_MANDIRS@
for dir in lib/perl5/man lib/perl5/vendor_perl/man; do
	if [ -d "@IMAGE_PREFIX@/$dir" ]; then
		MANPATH=$MANPATH:@IMAGE_PREFIX@/$dir
	fi
done
unset dir
TERMINFO=@IMAGE_PREFIX@/share/lib/terminfo
PAGER=less
MAIL=/var/mail/${LOGNAME:-root}
FTPMODE=auto
export PATH MANPATH TERMINFO PAGER MAIL FTPMODE

HOSTNAME=`/usr/bin/hostname`
HISTSIZE=1000

# Programs that draw on the whole terminal ask the environment for its size.
export COLUMNS LINES

# Pages that only groff formats well.
if [ -x @IMAGE_PREFIX@/bin/groff ]; then
	alias man='TROFF="groff -T ascii" TCAT=cat PAGER="less -is" /usr/bin/man -T -mandoc'
fi
