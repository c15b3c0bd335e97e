@deployment
Feature: More than a deployment can serve
  At the busiest hour more people ask than there are places. Nobody may be forgotten, answers that have begun
  must not suffer, and when the crowd is gone all must be as before.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it.

  Rule: Where nothing is turned away, everybody waits for a place and gets a whole answer

    Scenario Outline: Four times as many clients as places all get their answers
      Given a <backend> deployment with 1 worker that serves 8 requests at a time
      And 4 requests a second for 20 tokens each
      When 32 more clients ask for 50 tokens each on top
      Then every request is answered in full
      And no token is lost or repeated
      And whoever comes on top has a whole answer as well
      And nothing piles up in the deployment

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

    Scenario Outline: Ten times as many clients as places all get their answers, in bounded memory
      Given a <backend> deployment with 1 worker that serves 8 requests at a time
      When 80 clients ask for 50 tokens each, 3 times in a row
      Then every request is answered in full
      And no token is lost or repeated
      And what Dynamo counts is what the clients saw
      And no part of the deployment needs more than 50 MB more memory meanwhile
      And nothing piles up in the deployment

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

  @serial
  Rule: A prompt that is too long for the model is refused, and disturbs nobody else

    Scenario Outline: Too long prompts are refused while others are answered
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When other clients send prompts that are too long for the model
      Then every prompt that is too long is refused
      And every request is answered in full
      And no token is lost or repeated
      And 99 of 100 answers are complete within 2 seconds

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

  @serial
  Rule: Where a limit is set, newcomers are turned away at once when every worker is busy, and only then

    Scenario Outline: Too many clients are turned away until the crowd is gone
      Given a <backend> deployment with 2 workers of 64 blocks that is busy when half of them are in use
      And 2 requests a second for 20 tokens each
      When 20 more requests a second for 100 tokens each come on top
      Then requests are turned away while it lasts, and not before or after
      And whoever is turned away hears so within 100 milliseconds
      And 99 of 100 accepted answers of those who asked before are complete within 1 second
      And no token is lost or repeated
      And whoever comes on top has a whole answer, or is turned away

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
