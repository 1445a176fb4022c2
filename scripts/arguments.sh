# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the verbs after lib.sh. Answers --help and wrong arguments from scripts/help/VERB, whose format is
# described in scripts/help/README.md, before anything is built.
# shellcheck shell=bash

misuse() {
  printf '%s: %s\nRun with --help for more information.\n' "${0##*/}" "$*" >&2
  exit 2
}

# read_help VERB COMMAND: sets $help, and the tables of the options of VERB and its COMMAND: value[--option] is the
# placeholder of the option's value ('' for a flag), condition[--option] its conditions. Positional arguments are in the
# tables by their names in capitals. commands[NAME] is set for each command.
read_help() {
  local line section='' rest name
  local option='^  (-[a-z], )?(--[a-z0-9-]+)( ([^ ]+))?   *(.*)$' word='^  ([A-Z]+)(\.\.\.)?   *(.*)$'
  help=
  while IFS= read -r line; do
    if [[ $line =~ ^'usage: '[^\ ]+\ ([a-z]+) ]]; then
      section=${BASH_REMATCH[1]} commands[${BASH_REMATCH[1]}]=1
    fi
    [[ -z $section || $section = "$2" ]] || continue
    [ "$section" != "$2" ] || help+=$line$'\n'
    if [[ $line =~ $option ]]; then
      name=${BASH_REMATCH[2]} rest=${BASH_REMATCH[5]}
      value[$name]=${BASH_REMATCH[4]}
    elif [[ $line =~ $word ]]; then
      name=${BASH_REMATCH[1]} rest=${BASH_REMATCH[3]}
      value[$name]=$name positional=$name
      [ -z "${BASH_REMATCH[2]}" ] || case $rest in
        '('*) rest="(repeatable, ${rest#(}" ;;
        *) rest="(repeatable)" ;;
      esac
    else
      continue
    fi
    condition[$name]=
    [[ ! $rest =~ ^\(([^\)]*)\) ]] || condition[$name]=${BASH_REMATCH[1]}
  done <"$root/scripts/help/$1"
}

# check_value NAME VALUE
check_value() {
  case ${value[$1]} in
    PATH | TARBALL) [ -f "$2" ] || misuse "$1 $2: no such file" ;;
    FILE) [ -d "$(dirname -- "$2")" ] || misuse "$1 $2: its folder does not exist" ;;
    N) [[ $2 =~ ^[1-9][0-9]{0,8}$ ]] || misuse "$1 is a number from 1 to 999999999, not $2" ;;
    *\|*) [[ "|${value[$1]}|" = *"|$2|"* ]] || misuse "$1 is ${value[$1]//|/ or }, not $2" ;;
  esac
}

# arguments VERB [ARGUMENT...]: ends the script with the help or with a message if there is nothing left to do. After
# it, given[--option] is the value of each option that was given (1 for a flag; for a repeatable option all values, one
# per line), words are the positional arguments, and command is the verb's command if it has any.
declare -A given=() value=() condition=() commands=()
words=() command=
arguments() {
  local verb=$1 name asked='' positional='' help='' part word IFS=$' \t\n'
  shift
  read_help "$verb" ''
  while [ $# -gt 0 ]; do
    case $1 in
      --) shift; words+=("$@"); break ;;
      -h | --help) asked=1 ;;
      --*)
        name=${1%%=*}
        [ -n "${value[$name]+set}" ] || misuse "there is no option $name"
        [ -z "${given[$name]+set}" ] || [[ ${condition[$name]} = *repeatable* ]] || misuse "$name is given twice"
        if [ -z "${value[$name]}" ]; then
          [ "$1" = "$name" ] || misuse "$name takes no value"
          given[$name]=1
        else
          if [ "$1" = "$name" ]; then
            [ $# -gt 1 ] || misuse "$name needs a value (${value[$name]})"
            word=$2
            shift
          else
            word=${1#*=}
          fi
          check_value "$name" "$word"
          given[$name]=${given[$name]+${given[$name]}$'\n'}$word
        fi
        ;;
      -?*) misuse "there is no option $1" ;;
      *)
        if [ -z "$command" ] && [ ${#commands[@]} -gt 0 ]; then
          [ -n "${commands[$1]+set}" ] || misuse "there is no command $1"
          command=$1
          read_help "$verb" "$command"
        else
          words+=("$1")
        fi
        ;;
    esac
    shift
  done
  [ -z "$asked" ] || { printf '%s' "$help"; exit 0; }
  [ ${#commands[@]} = 0 ] || [ -n "$command" ] || misuse "a command is missing"
  [ -n "$positional" ] || [ ${#words[@]} = 0 ] || misuse "there is no argument ${words[0]}"
  [[ ${#words[@]} -le 1 || ${condition[$positional]} = *repeatable* ]] || misuse "there is no argument ${words[1]}"
  for name in "${!condition[@]}"; do
    IFS=,
    for part in ${condition[$name]}; do
      part=${part# }
      case $part in
        required)
          [ "$name" = "$positional" ] && [ ${#words[@]} -gt 0 ] || [ -n "${given[$name]+set}" ] || misuse "$name is missing"
          ;;
        'not with '*)
          [ -z "${given[$name]+set}" ] || [ -z "${given[${part#not with }]+set}" ] || misuse "$name cannot be used ${part#not }"
          ;;
        'with '*)
          [ -z "${given[$name]+set}" ] || [ -n "${given[${part#with }]+set}" ] || misuse "$name can only be used $part"
          ;;
      esac
    done
  done
}
