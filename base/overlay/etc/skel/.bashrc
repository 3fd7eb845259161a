# Read by every interactive bash.

case $- in
*i*) ;;
*) return ;;
esac

shopt -s cdspell checkwinsize extglob histappend
HISTCONTROL=ignoreboth
HISTIGNORE='exit:quit:[bf]g'
PS1='[\u@\h \w]\$ '

# Over SSH the window's title names the host.
if [ -n "$SSH_CLIENT" ]; then
	PROMPT_COMMAND='printf "\033]0;%s \007" "${HOSTNAME%%.*}"; history -a'
fi

alias ls='ls --color=auto'
alias ll='ls -lF'
