# Keep the eighth bit of what is typed.
stty -istrip
