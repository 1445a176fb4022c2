# SPDX-License-Identifier: GPL-2.0-or-later
# The manual page of restack from scripts/help/restack, which --help prints too.
function plain(line) { gsub(/\\/, "\\e", line); gsub(/-/, "\\-", line); sub(/^[.']/, "\\\\\\&&", line); return line }
BEGIN {
  print ".TH RESTACK 1 \"\" \"restack " version "\" \"User Commands\""
  print ".SH NAME\nrestack \\- move a quilt series to another base"
  print ".SH SYNOPSIS\n.B restack\n[OPTION...] COMMAND [OPTION...]"
  print ".SH DESCRIPTION\n.nf"
}
/^usage: / {
  if (++sections == 1) next
  command = $3
  if (sections == 2) print ".fi\n.SH COMMANDS"
  else print ".fi"
  print ".SS restack " plain(command) "\n.nf"
  sub(/^usage: /, "")
  print "\\fB" plain($0) "\\fR"
  next
}
{ print plain($0) }
END {
  print ".fi\n.SH EXAMPLE\n.nf"
  print plain("apt-get source --download-only PACKAGE=OLD PACKAGE=NEW")
  print plain("restack --packages . --cache cache.git --series debian:PACKAGE=OLD rebase --onto PACKAGE=NEW --output moved")
  print ".fi\n.SH FILES\n.TP\n.I OUTPUT.restack\nthe rebase under way to the folder OUTPUT: its state, the files of the patch"
  print "that needs a person in\n.IR work/ ,\nand the result so far in\n.IR series/ ."
  print ".SH SEE ALSO\n.BR quilt (1),\n.BR dpkg\\-source (1)"
}
