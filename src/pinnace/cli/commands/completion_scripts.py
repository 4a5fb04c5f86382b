"""What `completion` prints: for each shell a function that asks `__complete` and does what its directives say.

The last line of an answer is `:` and a number: 1 nothing may be offered, 2 no space behind the word, 4 no files, 8 the words are extensions
of files, 32 keep the order. Behind a tab of a candidate stands what it means.
"""

BASH = """# bash completion for {program}: source <({program} completion bash)
_{name}_complete() {{
    local word line directive=0 skip
    local -a words
    # What stands before the cursor, in the shell's own words: "a=b" and "a:b" are one, however bash would cut them.
    line="${{COMP_LINE:0:COMP_POINT}}"
    if [[ -n "$line" ]]; then
        read -ra words <<< "$line"
        [[ "$line" == *[[:space:]] ]] && words+=("")
    else
        words=("${{COMP_WORDS[@]:0:COMP_CWORD+1}}")
    fi
    word="${{words[${{#words[@]}}-1]}}"
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ "$line" == :* ]]; then directive="${{line#:}}"; else COMPREPLY+=("${{line%%$'\\t'*}}"); fi
    done < <({program} __completeNoDesc "${{words[@]:1}}" 2>/dev/null)
    if (( directive & 8 )); then
        local pattern
        pattern="@($(IFS='|'; echo "${{COMPREPLY[*]}}"))"
        COMPREPLY=()
        while IFS= read -r line; do
            if [[ -d "$line" ]]; then COMPREPLY+=("$line/")
            elif [[ "${{line##*.}}" == $pattern ]]; then COMPREPLY+=("$line"); fi
        done < <(compgen -f -- "$word")
        compopt -o nospace 2>/dev/null
        return 0
    fi
    (( directive & 2 )) && compopt -o nospace 2>/dev/null
    if (( ${{#COMPREPLY[@]}} == 0 && !(directive & 4) )); then
        compopt -o default 2>/dev/null
        return 0
    fi
    # bash replaces only what follows the last of its own word breaks.
    if [[ "$word" == *[=:]* ]]; then
        skip="${{word%"${{word##*[=:]}}"}}"
        if [[ "$COMP_WORDBREAKS" == *=* || "$COMP_WORDBREAKS" == *:* ]]; then
            COMPREPLY=("${{COMPREPLY[@]#"$skip"}}")
        fi
    fi
    return 0
}}
complete -F _{name}_complete {program}
"""
ZSH = """#compdef {program}
# zsh completion for {program}: source <({program} completion zsh)
_{name}() {{
    local line directive=0 shown
    local -a values texts extra
    while IFS= read -r line; do
        if [[ "$line" == :* ]]; then
            directive=${{line#:}}
        else
            values+=("${{line%%$'\\t'*}}")
            shown="${{line%%$'\\t'*}}"
            [[ "$line" == *$'\\t'* ]] && shown="$shown -- ${{line#*$'\\t'}}"
            texts+=("$shown")
        fi
    done < <({program} __complete "${{(@Q)words[2,CURRENT]}}" 2>/dev/null)
    if (( directive & 8 )); then
        _files -g "*.(${{(j:|:)values}})"
        return
    fi
    (( directive & 2 )) && extra+=(-S '')
    if (( ${{#values}} )); then
        # The value of --flag=value is completed without what stands before it.
        if [[ "$PREFIX" == --*=* ]]; then
            compset -P '*='
        fi
        compadd -l -d texts $extra -a values
    elif (( !(directive & 4) )); then
        _files
    fi
}}
if [[ "$funcstack[1]" == "_{program}" ]]; then
    _{name}
else
    compdef _{name} {program}
fi
"""
FISH = """# fish completion for {program}: {program} completion fish | source
function __{name}_ask
    set -l words (commandline -opc)
    {program} __complete $words[2..-1] (commandline -ct) 2>/dev/null
end
function __{name}_complete
    set -l prefix (string match -r -- '^-[^=]*=' (commandline -ct))
    set -l directive 0
    set -l found
    for line in (__{name}_ask)
        if string match -qr -- '^:\\d+$' $line
            set directive (string sub -s 2 -- $line)
        else
            set -a found "$prefix$line"
        end
    end
    if test (math "bitand($directive, 8)") != 0
        set -l extensions (string join '|' (string replace -r '^-[^=]*=' '' -- $found))
        __fish_complete_path (commandline -ct) | string match -re -- "^[^\\t]*(/|[.]($extensions))(\\t|\\$)"
    else if test (count $found) != 0
        string join \\n -- $found
    else if test (math "bitand($directive, 4)") = 0
        __fish_complete_path (commandline -ct)
    end
end
complete -c {program} -f -a '(__{name}_complete)'
"""
POWERSHELL = """# PowerShell completion for {program}: {program} completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName '{program}' -ScriptBlock {{
    param($word, $line, $cursor)
    $words = @($line.CommandElements | Select-Object -Skip 1 | Where-Object {{ $_.Extent.EndOffset -lt $cursor }} |
        ForEach-Object {{ $_.ToString() }})
    # PowerShell leaves out an argument that is empty, unless it is written with quotes.
    $last = if ($word) {{ $word }} else {{ '""' }}
    $answer = @(& {program} __complete @words $last 2>$null)
    if (-not $answer) {{ return }}
    $directive = [int]$answer[-1].Substring(1)
    $space = if ($directive -band 2) {{ '' }} else {{ ' ' }}
    $answer | Select-Object -SkipLast 1 | ForEach-Object {{
        $value, $text = $_ -split "`t", 2
        $meaning = if ($text) {{ $text }} else {{ $value }}
        [System.Management.Automation.CompletionResult]::new("$value$space", $value, 'ParameterValue', $meaning)
    }}
}}
"""
SHELLS = {"bash": BASH, "zsh": ZSH, "fish": FISH, "powershell": POWERSHELL}
