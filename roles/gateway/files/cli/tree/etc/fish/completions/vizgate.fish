# Completion of vizgate in fish; the command itself knows what can follow.
function _vizgate_completion
    for completion in (env _VIZGATE_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) (commandline -opc)[1] 2>/dev/null)
        set -l found (string split --max 1 "," $completion)
        test $found[1] = plain; and echo $found[2]
    end
end

complete --no-files --command vizgate --arguments "(_vizgate_completion)"
