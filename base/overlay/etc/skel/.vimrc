" First, for it changes other settings.
set nocompatible

syntax enable
filetype plugin on
set backspace=indent,eol,start
set hidden
set hlsearch incsearch
set modeline
set showcmd showmode
set wildmenu wildmode=list:longest
set wrap
