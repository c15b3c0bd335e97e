@deployment
Feature: Newcomers are turned away before answers suffer
  Where an operator has set a limit, a full deployment says so at once, so that whoever asks can try elsewhere. It
  says so only when there is really no room, and never to those whom it has let in.

  Rule: While there is room somewhere nobody is turned away; when there is none, everybody is, within 1 second

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: One full worker of two turns nobody away
      Given a <backend> deployment with 2 workers that take nobody in while half of their memory is in use
      And a neighbour that streams 600 tokens
      When the neighbour has received 20 tokens
      Then the next 5 good requests are served within 2 seconds each
      And no rejection is counted
      And the neighbour receives each of the 600 tokens exactly once

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A full deployment turns a newcomer away and takes the next one when there is room
      Given a <backend> deployment with 1 worker that takes nobody in while half of its memory is in use
      And a neighbour that streams 600 tokens
      When the neighbour has received 20 tokens
      Then a good request is refused as overloaded within 1 second
      And its sender is told of "overloaded"
      And a program can tell what was wrong
      And exactly 1 rejection is counted
      And the neighbour receives each of the 600 tokens exactly once
      And within 2 seconds good requests are served again

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: Where no limit is set, nobody is turned away
      Given a <backend> deployment with 1 worker that takes everybody in
      And a neighbour that streams 600 tokens
      When the neighbour has received 20 tokens
      Then the next good request is served within 2 seconds
      And no rejection is counted

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A limit that is set while a deployment serves holds from then on
      Given a <backend> deployment with 1 worker that takes everybody in
      And the operator has it take nobody in while half of its memory is in use
      And a neighbour that streams 600 tokens
      When the neighbour has received 20 tokens
      Then a good request is refused as overloaded within 1 second
      And exactly 1 rejection is counted
      And the neighbour receives each of the 600 tokens exactly once

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect @use.with_engine=counting @use.with_engine=real
    Scenario Outline: Whoever operates a full deployment can see why newcomers are turned away
      Known defect: the gauge that Dynamo 1.4.2 has for it says 0, or is not there, while workers are called too busy.

      Given a <backend> deployment with 1 worker that takes nobody in while half of its memory is in use
      And a neighbour that streams 600 tokens
      When the neighbour has received 20 tokens
      Then a good request is refused as overloaded within 1 second
      And its operator sees that more than half of its memory is in use

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

  Rule: A worker works on no more requests than it may, and keeps no more waiting

    @use.with_engine=counting @use.with_engine=real
    Scenario Outline: One more than a worker may take and keep waiting is turned away over <plane>
      Given a <backend> deployment with 1 worker that takes 1 request and lets 2 wait, over <plane>
      And a client that is let in and streams 200 tokens
      And a neighbour that is let in and streams 50 tokens
      And a newcomer that is let in and streams 50 tokens
      When the client has received 20 tokens
      Then a good request is refused as overloaded within 1 second
      And exactly 1 rejection is counted
      And the client receives each of the 200 tokens exactly once
      And the neighbour receives each of the 50 tokens exactly once
      And the newcomer receives each of the 50 tokens exactly once

      @vllm
      Examples: vLLM
        | backend | plane |
        | vllm    | TCP   |

      @sglang
      Examples: SGLang
        | backend | plane |
        | sglang  | TCP   |

      @trtllm
      Examples: TensorRT-LLM
        | backend | plane |
        | trtllm  | TCP   |

    @known_defect @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A worker's limit holds over <plane> as well
      Known defect: over NATS Dynamo 1.4.2 heeds no such limit: 60 of 60 requests ran at once where 20 were allowed.

      Given a <backend> deployment with 1 worker that takes 1 request and lets 2 wait, over <plane>
      And a client that is let in and streams 200 tokens
      And a neighbour that is let in and streams 50 tokens
      And a newcomer that is let in and streams 50 tokens
      When the client has received 20 tokens
      Then a good request is refused as overloaded within 1 second

      @vllm @nats
      Examples: vLLM
        | backend | plane |
        | vllm    | NATS  |

      @sglang @nats
      Examples: SGLang
        | backend | plane |
        | sglang  | NATS  |

      @trtllm @nats
      Examples: TensorRT-LLM
        | backend | plane |
        | trtllm  | NATS  |

  Rule: Who has been let in is not turned away later

    @known_defect @use.with_engine=counting @use.with_engine=real
    Scenario Outline: A stream survives the loss of its worker also when the others are full
      Known defect: Dynamo 1.4.2 turns a stream away that needs another worker while all are busy, with an error 500.

      Given a <backend> deployment with 2 workers that take nobody in while half of their memory is in use
      And a neighbour that streams 600 tokens
      And a client that streams 600 tokens
      When the worker that serves the client is killed after 50 tokens
      Then the client receives each of the 600 tokens exactly once

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |
